#include "gateway/upstream/answers.hpp"

#include "messages/error.hpp"

#include <boost/asio/error.hpp>
#include <boost/asio/ssl/error.hpp>
#include <boost/beast/core/string.hpp>
#include <boost/beast/http/error.hpp>

#include <fmt/format.h>

namespace troupe::gateway {

namespace {

namespace http = boost::beast::http;
using clock = upstream_link::clock;

constexpr std::size_t first_event_bytes_max = 65'536;

std::int64_t us(clock::duration d) {
  return std::chrono::duration_cast<std::chrono::microseconds>(d).count();
}

/// The first data line of the start of an event stream, once it is whole; comments do not count.
std::string_view first_data_line(std::string_view text) {
  if (text.starts_with("\xEF\xBB\xBF"))
    text.remove_prefix(3);
  for (;;) {
    auto end = text.find('\n');
    end = std::min(end, text.substr(0, end).find('\r')); // a line may end in either, or both
    if (end == std::string_view::npos)
      return {};
    auto line = text.substr(0, end);
    if (line.size() > 6 && line.starts_with("data:"))
      return line.substr(5);
    text.remove_prefix(end + 1);
  }
}

} // namespace

void outcome_reporter::report(const std::string& deployment, try_result result, int status,
                              clock::duration first_byte, clock::duration total,
                              std::chrono::milliseconds retry_after,
                              std::string_view error_code) const {
  if (closed || !router)
    return;
  if (result == try_result::answered && fresh && fresh->steady())
    return;
  v1::ReportOutcome outcome;
  outcome.set_deployment(deployment);
  outcome.set_ok(counts_as_ok(result));
  outcome.set_http_status(status);
  if (!error_code.empty())
    outcome.set_error_code(std::string{error_code});
  else if (result != try_result::answered)
    outcome.set_error_code(std::string{to_string(result)});
  outcome.set_first_byte_us(us(first_byte));
  outcome.set_total_us(us(total));
  outcome.set_retry_after_ms(retry_after.count());
  tell(*shard, router, ReportOutcome{std::move(outcome)});
}

// An answer that still runs.

live_answer::live_answer(std::shared_ptr<upstream_pool> pool,
                         std::shared_ptr<outcome_reporter> reporter, cancellation& stop,
                         const v1::RouteTarget& target, const call_clock& times) :
    pool_(std::move(pool)),
    reporter_(std::move(reporter)),
    stop_(stop),
    deployment_(target.deployment()),
    model_(target.upstream_model()),
    times_(times) {
  parser_.emplace();
}

live_answer::~live_answer() {
  if (!ended_)
    fail(make_error(ec::cancelled));
}

std::int64_t live_answer::first_byte_us() const { return us(times_.answered - times_.began); }

void live_answer::take(link_ptr x) {
  connection_ = std::move(x);
  stop_.on_cancel([this] { connection_->cut(cut_reason::cancelled); });
  if (stop_.cancelled())
    connection_->cut(cut_reason::cancelled);
}

void live_answer::abandon() {
  ended_ = true;
  stop_.on_cancel(nullptr);
  if (connection_)
    pool_->release(std::move(connection_), {});
}

caf::error live_answer::broken(std::string what) const {
  return make_error(ec::upstream_broken, fmt::format("{}: {}", deployment_, what));
}

caf::error live_answer::parse() {
  while (!connection_->buffered().empty()) {
    auto bytes = connection_->buffered();
    upstream_link::error_code error;
    auto used = parser_->put(asio::const_buffer{bytes.data(), bytes.size()}, error);
    connection_->consume(used);
    anything_came_ = true;
    if (error == http::error::need_more)
      return {};
    if (error)
      return broken("its answer is no HTTP: " + error.message());
    if (!parser_->is_done())
      return {};
    if (parser_->status >= 200)
      return {};
    if (parser_->status == 101)
      return broken("it switches to another protocol");
    parser_.emplace(); // an interim answer; the real one follows
  }
  return {};
}

asio::awaitable<caf::error> live_answer::read_more() {
  auto error = co_await connection_->fill();
  switch (connection_->cut()) {
    case cut_reason::cancelled:
      co_return make_error(ec::cancelled);
    case cut_reason::deadline:
      co_return make_error(ec::upstream_timeout,
                           fmt::format("{}: {}", deployment_,
                                       parser_->is_header_done()
                                           ? "the answer went silent, or took too long"
                                           : "no answer in time"));
    case cut_reason::none:
      break;
  }
  // An unclean end of TLS is an end: whether the message was whole, its framing tells.
  if (error == asio::error::eof || error == asio::ssl::error::stream_truncated) {
    if (!parser_->got_some())
      co_return broken("the connection ended before an answer");
    upstream_link::error_code partial;
    parser_->put_eof(partial);
    co_return partial ? broken("the connection ended in the middle of the answer") : caf::error{};
  }
  if (error)
    co_return broken("the connection broke: " + error.message());
  auto broke = parse();
  connection_->keep();
  co_return broke;
}

bool live_answer::has_first_event() const {
  return parser_->body.size() > first_event_bytes_max || !first_data_line(parser_->body).empty();
}

std::string_view live_answer::leading_error() const {
  if (!events_)
    return {};
  auto line = first_data_line(parser_->body);
  auto start = line.find_first_not_of(" {\t");
  if (start == std::string_view::npos || line.substr(start, 7) != "\"error\"")
    return {};
  auto value = line.find_first_not_of(" :\t", start + 7); // "error":null is none
  return value != std::string_view::npos && line[value] != 'n' ? line : std::string_view{};
}

asio::awaitable<caf::error> live_answer::read_start() {
  caf::error err;
  while (!err && !parser_->is_header_done())
    err = co_await read_more();
  if (err)
    co_return err;
  auto type = header("content-type");
  events_ =
      parser_->status == 200 && boost::beast::iequals(type.substr(0, 17), "text/event-stream");
  if (events_)
    while (!err && !parser_->is_done() && !has_first_event())
      err = co_await read_more();
  if (err)
    co_return err;
  times_.answered = clock::now();
  if (parser_->is_done() && parser_->status < 300 && leading_error().empty())
    finish(times_.answered);
  co_return caf::error{};
}

void live_answer::expect_end_within(std::chrono::milliseconds limit) {
  quiet_end_ = clock::now() + limit;
}

asio::awaitable<caf::expected<std::string_view>> live_answer::read() {
  if (given_)
    std::string{}.swap(parser_->body); // not only cleared: a stream waits most of the time
  given_ = true;
  while (parser_->body.empty()) {
    if (parser_->is_done() || ended_)
      co_return std::string_view{};
    auto limit = clock::now() + std::chrono::milliseconds{pool_->section.idle_limit_ms};
    connection_->deadline = std::min({limit, times_.ends, quiet_end_.value_or(times_.ends)});
    auto err = co_await read_more();
    if (err) {
      if (quiet_end_ && info(err).code == ec::upstream_timeout && clock::now() >= *quiet_end_) {
        abandon();
        report_answered(clock::now());
        co_return std::string_view{};
      }
      fail(err);
      co_return err;
    }
    if (parser_->is_done())
      finish(clock::now());
  }
  co_return std::string_view{parser_->body};
}

std::optional<std::string> live_answer::take_all(std::size_t bytes_max) {
  if (!ended_ || !parser_->is_done() || parser_->body.size() > bytes_max)
    return std::nullopt;
  given_ = true;
  return std::move(parser_->body);
}

asio::awaitable<caf::expected<std::string>> live_answer::read_all(std::size_t bytes_max) {
  while (!parser_->is_done() && parser_->body.size() <= bytes_max) {
    auto limit = clock::now() + std::chrono::milliseconds{pool_->section.idle_limit_ms};
    connection_->deadline = std::min(limit, times_.ends);
    auto err = co_await read_more();
    if (err) {
      if (!ended_)
        fail(err);
      co_return err;
    }
  }
  if (parser_->body.size() > bytes_max) {
    auto err = broken(fmt::format("its answer is longer than {} bytes", bytes_max));
    if (!ended_)
      fail(err);
    co_return err;
  }
  if (!ended_)
    finish(clock::now());
  given_ = true;
  co_return std::move(parser_->body);
}

asio::awaitable<caf::expected<std::string>> live_answer::drain(std::size_t bytes_max) {
  silent_ = true;
  co_return co_await read_all(bytes_max);
}

void live_answer::limit_total(std::chrono::milliseconds limit) {
  times_.ends = std::min(times_.ends, clock::now() + limit);
}

void live_answer::finish(clock::time_point now) {
  if (ended_)
    return;
  ended_ = true;
  stop_.on_cancel(nullptr);
  std::optional<clock::time_point> idle_since;
  if (parser_->keep_alive() && connection_->buffered().empty())
    idle_since = now;
  pool_->release(std::move(connection_), idle_since);
  if (!silent_)
    report_answered(now);
}

void live_answer::report_answered(clock::time_point now) {
  reporter_->report(deployment_, classify_status(parser_->status), parser_->status,
                    times_.answered - times_.try_began, now - times_.try_began);
}

void live_answer::fail(const caf::error& err) {
  abandon();
  if (silent_)
    return;
  auto code = info(err).code;
  auto result = code == ec::cancelled          ? try_result::cancelled
                : code == ec::upstream_timeout ? try_result::timed_out
                                               : try_result::broken;
  reporter_->report(deployment_, result, parser_->status, times_.answered - times_.try_began,
                    clock::now() - times_.try_began, {}, info(err).name);
}

asio::awaitable<void> drain(upstream_answer& answer) {
  constexpr int pieces_max = 16;
  answer.expect_end_within(std::chrono::milliseconds{100});
  for (int i = 0; i < pieces_max; ++i) {
    auto piece = co_await answer.read();
    if (!piece || piece->empty())
      break;
  }
}

// An answer that is all there.

std::string_view whole_answer::header(std::string_view name) const {
  if (boost::beast::iequals(name, "content-type"))
    return content_type;
  return boost::beast::iequals(name, "retry-after") ? std::string_view{retry_after}
                                                    : std::string_view{};
}

asio::awaitable<caf::expected<std::string_view>> whole_answer::read() {
  if (std::exchange(given_, true))
    co_return std::string_view{};
  co_return std::string_view{body};
}

asio::awaitable<caf::expected<std::string>> whole_answer::read_all(std::size_t bytes_max) {
  if (body.size() > bytes_max)
    co_return make_error(ec::upstream_broken,
                         fmt::format("{}: its answer is longer than {} bytes", from, bytes_max));
  co_return std::move(body);
}

} // namespace troupe::gateway
