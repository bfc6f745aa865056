// One HTTP request and its answer, as route handlers see it. No Beast in sight.
#pragma once

#include "gateway/server/io_shard.hpp"

#include <nlohmann/json_fwd.hpp>

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace troupe::gateway {

using header_list = std::vector<std::pair<std::string, std::string>>;

/// Writes the body of a streamed answer piece by piece. Only on the shard's thread.
class body_stream {
public:
  virtual ~body_stream() = default;
  /// Writes and waits until the socket took it: back-pressure. An error (`ec::cancelled`) once the
  /// client left.
  virtual asio::awaitable<caf::error> write(std::string_view bytes) = 0;
  /// Ends the answer well. Without it the connection is closed, so that a client sees the break.
  virtual asio::awaitable<caf::error> finish() = 0;
};

/// Server-sent events. Nothing here waits: what is sent is queued, bounded, and writes are
/// coalesced. Heartbeat events are sent by themselves. Only on the shard's thread.
class event_stream {
public:
  virtual ~event_stream() = default;
  /// Queues `id:`, `event:` and `data:` lines; empty `event` or `id` leave the line out. False once
  /// the client left, or when its queue overflowed (it is then cut, and may resume by
  /// Last-Event-ID).
  virtual bool send(std::string_view event, std::string_view data, std::string_view id = {}) = 0;
  /// Neither ended nor cut, and the client is there.
  virtual bool open() const = 0;
  /// Bytes that wait for the reader. Who has much to send at once holds back while it is a lot.
  virtual std::size_t waiting() const { return 0; }
  /// Ends the answer once all is written.
  virtual void finish() = 0;
  /// Ends it short: the client sees that this was not all, and may resume.
  virtual void cut() = 0;
};

/// Where the events of a stream come from. Streams run for long and there are thousands of them, so
/// that none holds a coroutine: it is called, and keeps only what it needs. It goes some time after
/// its stream ended or its client left, never from within a call of its own.
class event_source {
public:
  virtual ~event_source() = default;
  /// Once, when the answer has begun. `out` outlives it.
  virtual void begin(event_stream& out) = 0;
  /// What was sent is written: there is room for more.
  virtual void drained() {}
};

/// One request. Views stay valid as long as the exchange. Exactly one of the answers is given,
/// once.
class exchange {
public:
  virtual ~exchange() = default;

  // The request.
  virtual std::string_view method() const = 0;
  virtual std::string_view path() const = 0;                        // decoded, without the query
  virtual std::string_view header(std::string_view name) const = 0; // empty: not there
  virtual std::string_view query(std::string_view name) const = 0;  // decoded; empty: not there
  virtual std::string_view param(std::string_view name) const = 0;  // {name} of the route
  virtual const std::string& body() const = 0;
  virtual std::string_view remote_address() const = 0;
  // New, unless a trusted proxy sent a UUID as X-Request-Id: requests are billed once by their id,
  // so that no client may choose it.
  virtual std::string_view request_id() const = 0;
  virtual std::string_view traceparent() const = 0; // a child of the client's, or new
  virtual std::int64_t started_us() const = 0;
  virtual io_shard& shard() = 0;
  virtual bool openai_errors() const { return false; } // of the route's options

  /// The context of messages sent on behalf of this request; the principal is set by
  /// `set_principal`.
  virtual v1::Context context() const = 0;
  virtual void set_principal(Principal principal) = 0;
  /// When the request must have been answered; UTC microseconds.
  virtual std::int64_t deadline_us() const = 0;

  /// Called on the shard's thread when the client leaves before the answer ended. At most one;
  /// empty clears it.
  virtual void on_disconnect(std::function<void()> handler) = 0;
  virtual bool disconnected() const = 0;

  // The answer.
  virtual asio::awaitable<void> reply(int status, std::string_view content_type, std::string body,
                                      header_list headers = {}) = 0;
  virtual asio::awaitable<std::unique_ptr<body_stream>>
  start_body(int status, std::string_view content_type, header_list headers = {}) = 0;
  /// Answers with what the source sends, and returns at once; the exchange stays until that ends.
  /// Lets the request's header, parameters and body go: views of them end here.
  virtual void stream_events(std::shared_ptr<event_source> source, header_list headers = {}) = 0;
  /// Resets the connection instead of an answer: for upstreams that play a fault.
  virtual void drop() {}

  /// A field of the access log's line of this request.
  virtual void note(std::string_view key, std::string value) = 0;
};

/// JSON, compact.
asio::awaitable<void> reply_json(exchange& x, int status, const nlohmann::json& body);

/// The error as Troupe's own API gives it: {"error":{"code","message","request_id"}} with the
/// table's status.
asio::awaitable<void> reply_error(exchange& x, const caf::error& err);

} // namespace troupe::gateway
