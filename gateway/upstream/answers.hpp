// The answers that `upstreams::call` gives: one that still runs, and one that is all there.
#pragma once

#include "gateway/upstream/answer_parser.hpp"
#include "gateway/upstream/pool.hpp"
#include "messages/clock.hpp"

#include <memory>
#include <optional>
#include <string>

namespace troupe::gateway {

/// Tells the router what became of tries.
struct outcome_reporter {
  io_shard* shard = nullptr;
  model_router_actor router;
  std::shared_ptr<const freshness> fresh; // steady: successes are no news
  bool closed = false;

  void report(const std::string& deployment, try_result result, int status,
              upstream_link::clock::duration first_byte, upstream_link::clock::duration total,
              std::chrono::milliseconds retry_after = {}, std::string_view error_code = {}) const;
};

/// Where a call spends its time.
struct call_clock {
  upstream_link::clock::time_point began;     // the call
  upstream_link::clock::time_point try_began; // this try
  upstream_link::clock::time_point answered;  // its first byte
  upstream_link::clock::time_point ends;      // total limit
};

/// An answer that is read from its connection as it comes.
class live_answer final : public upstream_answer {
public:
  live_answer(std::shared_ptr<upstream_pool> pool, std::shared_ptr<outcome_reporter> reporter,
              cancellation& stop, const v1::RouteTarget& target, const call_clock& times);
  ~live_answer() override;

  int status() const override { return parser_->status; }
  std::optional<std::string> take_all(std::size_t bytes_max) override;
  std::string_view header(std::string_view name) const override { return parser_->header(name); }
  const std::string& deployment() const override { return deployment_; }
  const std::string& upstream_model() const override { return model_; }
  std::int64_t first_byte_us() const override;
  asio::awaitable<caf::expected<std::string_view>> read() override;
  asio::awaitable<caf::expected<std::string>> read_all(std::size_t bytes_max) override;
  void expect_end_within(std::chrono::milliseconds limit) override;

  // For `call`, before the answer is given away.

  /// Takes the connection on which the request was sent.
  void take(link_ptr x);
  /// Reads until the header is there, and of an event stream the first event.
  asio::awaitable<caf::error> read_start();
  bool anything_came() const { return anything_came_; }
  bool reused() const { return connection_->reused; }
  /// The first event of a stream is an error object: its JSON, else empty.
  std::string_view leading_error() const;
  /// Reads the rest and reports nothing: who calls does.
  asio::awaitable<caf::expected<std::string>> drain(std::size_t bytes_max);
  void limit_total(std::chrono::milliseconds limit);
  /// Gives the connection up and reports nothing: who calls does.
  void abandon();
  const call_clock& times() const { return times_; }

private:
  asio::awaitable<caf::error> read_more();
  caf::error parse();
  caf::error broken(std::string what) const;
  void finish(upstream_link::clock::time_point now);
  void report_answered(upstream_link::clock::time_point now);
  void fail(const caf::error& err);
  bool has_first_event() const;

  std::shared_ptr<upstream_pool> pool_;
  std::shared_ptr<outcome_reporter> reporter_;
  cancellation& stop_;
  std::string deployment_;
  std::string model_;
  call_clock times_;
  link_ptr connection_;
  std::optional<answer_parser> parser_;
  std::optional<upstream_link::clock::time_point> quiet_end_;
  bool anything_came_ = false;
  bool events_ = false; // it is an event stream
  bool given_ = false;  // the body held was handed out
  bool ended_ = false;
  bool silent_ = false; // reports nothing
};

/// An answer that is all there.
class whole_answer final : public upstream_answer {
public:
  int status() const override { return code; }
  std::string_view header(std::string_view name) const override;
  const std::string& deployment() const override { return from; }
  const std::string& upstream_model() const override { return model; }
  std::int64_t first_byte_us() const override { return first_us; }
  asio::awaitable<caf::expected<std::string_view>> read() override;
  asio::awaitable<caf::expected<std::string>> read_all(std::size_t bytes_max) override;
  void expect_end_within(std::chrono::milliseconds) override {}

  int code = 0;
  std::string content_type;
  std::string retry_after;
  std::string body;
  std::string from;
  std::string model;
  std::int64_t first_us = 0;

private:
  bool given_ = false;
};

} // namespace troupe::gateway
