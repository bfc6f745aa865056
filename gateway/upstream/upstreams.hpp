// Calling upstreams from an I/O shard: connections, fail-over before the first byte, streaming.
#pragma once

#include "config/config.hpp"
#include "gateway/server/io_shard.hpp"
#include "messages/freshness.hpp"

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace troupe::gateway {

class resolver;

/// Ends a call from outside it: its client left, or its user stopped it. Only on the shard's
/// thread. Outlives the call and its answer.
class cancellation {
public:
  void cancel() {
    cancelled_ = true;
    if (on_cancel_)
      std::exchange(on_cancel_, nullptr)();
  }
  bool cancelled() const { return cancelled_; }
  /// The one who waits sets what wakes it; empty clears.
  void on_cancel(std::function<void()> f) { on_cancel_ = std::move(f); }

private:
  bool cancelled_ = false;
  std::function<void()> on_cancel_;
};

/// A running answer of an upstream, from its first byte on. Destroyed early, it closes its
/// connection.
class upstream_answer {
public:
  virtual ~upstream_answer() = default;
  virtual int status() const = 0;
  virtual std::string_view header(std::string_view name) const = 0;
  virtual const std::string& deployment() const = 0;
  virtual const std::string& upstream_model() const = 0;
  virtual std::int64_t first_byte_us() const = 0; // since the call began
  /// The next piece of the body, de-chunked; valid until the next call; empty at the end. Errors:
  /// `upstream_broken` (cut before its end), `upstream_timeout` (idle or total limit), `cancelled`.
  virtual asio::awaitable<caf::expected<std::string_view>> read() = 0;
  /// The whole body if it is there already: what `read_all` would give.
  virtual std::optional<std::string> take_all(std::size_t /*bytes_max*/) { return std::nullopt; }
  /// The whole body, at most `bytes_max`; more is `upstream_broken`.
  virtual asio::awaitable<caf::expected<std::string>> read_all(std::size_t bytes_max) = 0;
  /// What comes is nearly over: a silence of more than `limit` from now on is its end.
  virtual void expect_end_within(std::chrono::milliseconds limit) = 0;
};

/// Reads what is left of an answer of which all that matters came, for a short time: its connection
/// can then be used again.
asio::awaitable<void> drain(upstream_answer& answer);

/// A request's body: its own, or a view of one that outlives the call.
struct upstream_body {
  upstream_body(std::string text) : owned(std::move(text)) {}
  upstream_body(const char* text) : owned(text) {}
  static upstream_body borrow(std::string_view text) {
    upstream_body body{std::string{}};
    body.borrowed = text;
    return body;
  }
  std::string_view view() const { return borrowed ? *borrowed : std::string_view{owned}; }

  std::string owned;
  std::optional<std::string_view> borrowed;
};

/// What to ask; `body_for` makes the body for one target (model names differ between upstreams).
/// What the views show outlives the call.
struct upstream_call {
  std::string_view method = "POST";
  std::string_view path; // below base_url: /chat/completions
  std::function<upstream_body(const v1::RouteTarget&, const config::upstream_section&)> body_for;
  std::string_view accept = "application/json";
  std::string_view traceparent;
  std::string_view request_id;
  std::int64_t deadline_us = 0; // UTC, of the answer's end; 0: the upstream's own limits
};

/// The connections of one shard to all upstreams.
class upstreams {
public:
  virtual ~upstreams() = default;

  /// Tries the targets in their order, each by its limits and retries, until one answers below 500
  /// and not 429 (or is the last: its answer is then given as it is). A stream has answered once
  /// its first event is there. What a fallback alone refuses is not shown, and no answer to
  /// Troupe's own credentials. Outcomes are reported to the router. Errors:
  /// `upstream_unavailable`, `upstream_timeout`, `upstream_rate_limited`, `overloaded`,
  /// `cancelled`.
  virtual asio::awaitable<caf::expected<std::unique_ptr<upstream_answer>>>
  call(const v1::Route& route, upstream_call request, cancellation& stop) = 0;

  /// Valid until the next `update`.
  virtual const config::upstream_section* find(std::string_view deployment) const = 0;

  /// Takes the configuration anew: running calls end as they began.
  virtual void update(std::vector<config::upstream_section> sections) = 0;

  /// Cuts all calls and closes all connections. Nothing is reported afterwards. To be called
  /// before the router and the shard's loop end.
  virtual void close() = 0;

  struct counts {
    std::size_t open = 0; // connections
    std::size_t idle = 0; // of them
    std::size_t waiting = 0;
  };
  virtual counts count(std::string_view deployment) const = 0;
};

struct upstreams_options {
  std::vector<config::upstream_section> sections;
  model_router_actor router; // hears of outcomes; may be empty
  std::shared_ptr<resolver> dns;
  std::shared_ptr<const freshness> fresh; // the router's; null: it hears of every success
};

/// Problems of a section are logged here, and are the error of calls to it. On the shard's thread,
/// or before its loop runs.
std::shared_ptr<upstreams> make_upstreams(io_shard& shard, upstreams_options options);

} // namespace troupe::gateway
