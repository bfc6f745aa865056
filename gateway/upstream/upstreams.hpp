// Calling upstreams from an I/O shard: connections, fail-over before the first byte, streaming.
#pragma once

#include "config/config.hpp"
#include "gateway/server/io_shard.hpp"

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace troupe::gateway {

/// Ends a call from outside it: its client left, or its user stopped it. Only on the shard's
/// thread.
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

/// A running answer of an upstream, from its first byte on.
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
  /// The whole body, at most `bytes_max`.
  virtual asio::awaitable<caf::expected<std::string>> read_all(std::size_t bytes_max) = 0;
};

/// What to ask; `body_for` makes the body for one target (model names differ between upstreams).
struct upstream_call {
  std::string method = "POST";
  std::string path; // below base_url: /chat/completions
  std::function<std::string(const v1::RouteTarget&, const config::upstream_section&)> body_for;
  std::string accept = "application/json";
  std::string traceparent;
  std::string request_id;
};

/// The connections of one shard to all upstreams.
class upstreams {
public:
  virtual ~upstreams() = default;

  /// Tries the targets in their order, each by its limits and retries, until one answers below 500
  /// and not 429 (or is the last: its answer is then given as it is). Outcomes are reported to the
  /// router. Errors: `upstream_unavailable`, `upstream_timeout`, `upstream_rate_limited`,
  /// `cancelled`.
  virtual asio::awaitable<caf::expected<std::unique_ptr<upstream_answer>>>
  call(const v1::Route& route, upstream_call request, cancellation& stop) = 0;

  virtual const config::upstream_section* find(std::string_view deployment) const = 0;
};

} // namespace troupe::gateway
