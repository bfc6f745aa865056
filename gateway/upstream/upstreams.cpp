#include "gateway/upstream/upstreams.hpp"

#include "gateway/upstream/answers.hpp"
#include "gateway/upstream/demo_answer.hpp"
#include "gateway/upstream/pool.hpp"
#include "messages/error.hpp"
#include "messages/log.hpp"

#include <boost/asio/redirect_error.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/use_awaitable.hpp>

#include <fmt/format.h>

#include <unordered_map>

namespace troupe::gateway {

namespace {

using clock = upstream_link::clock;
using std::chrono::milliseconds;

constexpr std::size_t error_body_bytes_max = 65'536;
constexpr milliseconds error_body_limit{5'000};

/// What became of one try.
struct try_outcome {
  try_result result = try_result::broken;
  caf::error error;                        // unless an answer came
  std::unique_ptr<upstream_answer> answer; // of any status
  int status = 0;
  std::optional<milliseconds> retry_after;
};

/// What a call knows of the tries it made.
struct call_state {
  const v1::Route& route;
  upstream_call& request;
  cancellation& stop;
  call_clock times;
  clock::time_point now; // when it last went on after a wait
  int attempts = 0;
  std::unique_ptr<upstream_answer> failed_answer; // shown if nothing better comes
  caf::error error;
  std::string tried;        // "name: what happened; ..."
  bool first_target = true; // until one was asked
};

try_result result_of(const caf::error& err) {
  switch (info(err).code) {
    case ec::cancelled:
      return try_result::cancelled;
    case ec::upstream_timeout:
      return try_result::timed_out;
    case ec::upstream_broken:
      return try_result::broken;
    case ec::config_invalid:
    case ec::forbidden:
      return try_result::not_configured;
    default:
      return try_result::unreachable;
  }
}

class upstreams_impl final : public upstreams, public std::enable_shared_from_this<upstreams_impl> {
public:
  upstreams_impl(io_shard& shard, upstreams_options options) :
      shard_(shard),
      dns_(options.dns ? options.dns : std::make_shared<resolver>()),
      watch_(std::make_shared<deadline_watch>(shard.context())),
      reporter_(std::make_shared<outcome_reporter>()),
      random_(std::random_device{}()) {
    reporter_->shard = &shard;
    reporter_->router = std::move(options.router);
    reporter_->fresh = std::move(options.fresh);
    update(std::move(options.sections));
  }

  asio::awaitable<caf::expected<std::unique_ptr<upstream_answer>>>
  call(const v1::Route& route, upstream_call request, cancellation& stop) override;

  const config::upstream_section* find(std::string_view deployment) const override {
    auto found = pools_.find(std::string{deployment});
    return found == pools_.end() ? nullptr : &found->second->section;
  }

  void update(std::vector<config::upstream_section> sections) override;
  void close() override;
  counts count(std::string_view deployment) const override {
    auto found = pools_.find(std::string{deployment});
    return found == pools_.end() ? counts{} : found->second->count();
  }

private:
  using pool_ptr = std::shared_ptr<upstream_pool>;

  asio::awaitable<bool> try_target(call_state& state, const v1::RouteTarget& target,
                                   std::unique_ptr<upstream_answer>& given);
  asio::awaitable<try_outcome> try_once(call_state& state, const v1::RouteTarget& target,
                                        const pool_ptr& pool, std::string_view body);
  asio::awaitable<caf::expected<std::unique_ptr<live_answer>>>
  send(call_state& state, const v1::RouteTarget& target, const pool_ptr& pool,
       std::string_view head, std::string_view body, bool fresh);
  asio::awaitable<try_outcome> judge(std::unique_ptr<live_answer> answer, const pool_ptr& pool);
  asio::awaitable<void> pause(milliseconds wait, call_state& state);
  void note_failure(call_state& state, const v1::RouteTarget& target, try_outcome& outcome);
  caf::error conclude(call_state& state) const;

  io_shard& shard_;
  std::shared_ptr<resolver> dns_;
  std::shared_ptr<deadline_watch> watch_;
  std::shared_ptr<outcome_reporter> reporter_;
  std::unordered_map<std::string, pool_ptr> pools_;
  std::minstd_rand random_;
  bool closed_ = false;
};

void upstreams_impl::update(std::vector<config::upstream_section> sections) {
  std::unordered_map<std::string, pool_ptr> pools;
  for (auto& section : sections) {
    auto pool = std::make_shared<upstream_pool>(shard_.context(), section, watch_, dns_);
    if (pool->unusable)
      log_error("upstream_unusable",
                {{"upstream", section.name}, {"error", describe(pool->unusable)}});
    pools.insert_or_assign(section.name, std::move(pool));
  }
  pools.swap(pools_);
  for (auto& [name, old] : pools)
    old->close();
}

void upstreams_impl::close() {
  closed_ = true;
  reporter_->closed = true;
  watch_->cut_all();
  for (auto& [name, pool] : pools_)
    pool->close();
}

std::string request_head(const upstream_call& request, const upstream_pool& pool,
                         std::size_t body_bytes) {
  std::string head;
  head.reserve(384 + pool.head_common.size());
  head.append(request.method).append(" ").append(pool.to.target).append(request.path);
  head.append(" HTTP/1.1\r\n").append(pool.head_common);
  head.append("Accept: ").append(request.accept).append("\r\n");
  if (!request.traceparent.empty())
    head.append("traceparent: ").append(request.traceparent).append("\r\n");
  if (!request.request_id.empty())
    head.append("X-Request-Id: ").append(request.request_id).append("\r\n");
  if (request.method != "GET") {
    fmt::format_int length{body_bytes};
    head.append("Content-Type: application/json\r\nContent-Length: ");
    head.append(length.data(), length.size()).append("\r\n");
  }
  head.append("\r\n");
  return head;
}

asio::awaitable<caf::expected<std::unique_ptr<upstream_answer>>>
upstreams_impl::call(const v1::Route& route, upstream_call request, cancellation& stop) {
  auto self = shared_from_this();
  call_state state{route, request, stop};
  state.times.began = state.now = clock::now();
  state.times.ends = clock::time_point::max();
  if (request.deadline_us != 0)
    state.times.ends = state.times.began
                       + std::chrono::microseconds{std::max<std::int64_t>(
                           request.deadline_us - system_clock()->now_us(), 0)};
  std::unique_ptr<upstream_answer> given;
  for (const auto& target : route.targets()) {
    bool over = co_await try_target(state, target, given);
    if (over)
      break;
  }
  if (given)
    co_return given;
  stop.on_cancel(nullptr);
  if (stop.cancelled() || closed_)
    co_return make_error(ec::cancelled);
  if (state.failed_answer)
    co_return std::move(state.failed_answer);
  co_return conclude(state);
}

/// True when the call is over: `given` holds its answer, or nothing can help any more.
asio::awaitable<bool> upstreams_impl::try_target(call_state& state, const v1::RouteTarget& target,
                                                 std::unique_ptr<upstream_answer>& given) {
  if (state.stop.cancelled())
    co_return true;
  auto found = pools_.find(target.deployment());
  if (found == pools_.end() || found->second->unusable) {
    try_outcome outcome;
    outcome.result = try_result::not_configured;
    outcome.error = found == pools_.end()
                        ? make_error(ec::config_invalid, "there is no upstream of that name")
                        : found->second->unusable;
    ++state.attempts;
    note_failure(state, target, outcome);
    co_return false;
  }
  auto pool = found->second;
  auto body = state.request.body_for ? state.request.body_for(target, pool->section)
                                     : upstream_body{std::string{}};
  if (pool->section.dialect == "demo") {
    reporter_->report(target.deployment(), try_result::answered, 200, {}, {});
    given = make_demo_answer(shard_.context(), pool->section, target, state.request.path,
                             body.view(), state.stop);
    co_return true;
  }
  pool->budget.request();
  retry_state retry;
  retry.retries_max = static_cast<int>(pool->section.retries_max);
  retry.first_target = std::exchange(state.first_target, false);
  for (;;) {
    retry.attempts = ++state.attempts;
    ++retry.attempts_on_this;
    auto outcome = co_await try_once(state, target, pool, body.view());
    retry.retry_after = outcome.retry_after;
    auto decision = decide(outcome.result, retry, pool->budget, random_);
    if (decision.step == next_step::give) {
      given = std::move(outcome.answer);
      co_return true;
    }
    note_failure(state, target, outcome);
    state.now = clock::now();
    if (decision.step == next_step::fail || state.stop.cancelled() || closed_)
      co_return true;
    if (decision.step == next_step::next_target)
      co_return false;
    if (state.now + decision.wait >= state.times.ends)
      co_return true;
    co_await pause(decision.wait, state);
    state.now = clock::now();
    if (state.stop.cancelled() || closed_)
      co_return true;
  }
}

asio::awaitable<void> upstreams_impl::pause(milliseconds wait, call_state& state) {
  asio::steady_timer timer{shard_.context(), wait};
  state.stop.on_cancel([&] { timer.cancel(); });
  boost::system::error_code ignored;
  co_await timer.async_wait(asio::redirect_error(asio::use_awaitable, ignored));
  state.stop.on_cancel(nullptr);
}

asio::awaitable<caf::expected<std::unique_ptr<live_answer>>>
upstreams_impl::send(call_state& state, const v1::RouteTarget& target, const pool_ptr& pool,
                     std::string_view head, std::string_view body, bool fresh) {
  auto times = state.times;
  auto total = milliseconds{pool->section.total_limit_ms};
  times.ends = std::min(times.ends, times.try_began + total);
  link_ptr link;
  auto sent_at = times.try_began;
  if (!fresh)
    link = pool->count().waiting == 0 ? pool->take_idle(sent_at) : nullptr;
  if (!link) {
    auto limit = times.try_began + milliseconds{pool->section.connect_limit_ms};
    auto made = co_await pool->acquire(fresh, state.stop, std::min(limit, times.ends));
    if (!made)
      co_return std::move(made.error());
    link = std::move(*made);
    sent_at = clock::now();
  }
  auto answer = std::make_unique<live_answer>(pool, reporter_, state.stop, target, times);
  auto& wire = *link;
  wire.deadline = std::min(sent_at + milliseconds{pool->section.first_byte_limit_ms}, times.ends);
  answer->take(std::move(link));
  std::size_t written = 0;
  auto error = wire.write_now(head, body, written);
  if (!error && written < head.size() + body.size()) {
    auto of_head = std::min(written, head.size());
    error = co_await wire.write(head.substr(of_head), body.substr(written - of_head));
  }
  // A peer may refuse before it has read all: what it says is still to be read.
  if (error && wire.cut() == cut_reason::none && wire.reused) {
    answer->abandon();
    co_return co_await send(state, target, pool, head, body, true);
  }
  auto err = co_await answer->read_start();
  if (!err)
    co_return answer;
  // An idle connection may end just as it is used: the request is sent once more on a new one.
  bool stale = info(err).code == ec::upstream_broken && wire.reused && !answer->anything_came();
  answer->abandon();
  if (stale && !fresh)
    co_return co_await send(state, target, pool, head, body, true);
  co_return err;
}

asio::awaitable<try_outcome> upstreams_impl::try_once(call_state& state,
                                                      const v1::RouteTarget& target,
                                                      const pool_ptr& pool, std::string_view body) {
  state.times.try_began = state.now;
  auto head = request_head(state.request, *pool, body.size());
  auto answer = co_await send(state, target, pool, head, body, false);
  try_outcome outcome;
  if (answer) {
    if ((*answer)->status() < 300 && (*answer)->leading_error().empty()) {
      outcome.result = try_result::answered;
      outcome.status = (*answer)->status();
      outcome.answer = std::move(*answer);
      co_return outcome;
    }
    outcome = co_await judge(std::move(*answer), pool);
  } else {
    outcome.error = std::move(answer.error());
    outcome.result = result_of(outcome.error);
  }
  auto now = clock::now();
  reporter_->report(target.deployment(), outcome.result, outcome.status, {},
                    now - state.times.try_began, outcome.retry_after.value_or(milliseconds{0}));
  co_return outcome;
}

/// An answer that is an error: reads it whole and says what kind of error it is.
asio::awaitable<try_outcome> upstreams_impl::judge(std::unique_ptr<live_answer> answer,
                                                   const pool_ptr& pool) {
  try_outcome outcome;
  auto whole = std::make_unique<whole_answer>();
  whole->from = answer->deployment();
  whole->model = answer->upstream_model();
  whole->first_us = answer->first_byte_us();
  whole->code = answer->status();
  whole->content_type = answer->header("content-type");
  whole->retry_after = answer->header("retry-after");
  outcome.result = classify_status(whole->code);
  outcome.status = whole->code;
  if (!answer->leading_error().empty()) {
    whole->body = answer->leading_error();
    whole->content_type = "application/json";
    whole->code = 502;
    outcome.result = try_result::server_failed;
    answer->abandon();
  } else if (whole->code < 400) {
    auto where = std::string{answer->header("location").substr(0, 200)};
    outcome.result = try_result::not_configured;
    outcome.error = make_error(ec::config_invalid,
                               fmt::format("it redirects to {}: set base_url to it", where));
    answer->abandon();
    co_return outcome;
  } else {
    answer->limit_total(error_body_limit);
    auto body = co_await answer->drain(error_body_bytes_max);
    if (body)
      whole->body = std::move(*body);
  }
  if (outcome.result == try_result::rate_limited
      && whole->body.find("insufficient_quota") != std::string::npos)
    outcome.result = try_result::quota_used_up;
  outcome.retry_after = parse_retry_after(whole->retry_after, system_clock()->now_us());
  // An upstream may repeat the key it was sent.
  const auto& key = pool->to.api_key;
  for (auto at = key.empty() ? std::string::npos : whole->body.find(key); at != std::string::npos;
       at = whole->body.find(key))
    whole->body.replace(at, key.size(), "[key]");
  outcome.answer = std::move(whole);
  co_return outcome;
}

void upstreams_impl::note_failure(call_state& state, const v1::RouteTarget& target,
                                  try_outcome& outcome) {
  if (outcome.result == try_result::cancelled)
    return;
  auto text = outcome.status != 0 && !outcome.error ? fmt::format("status {}", outcome.status)
                                                    : describe(outcome.error);
  log_warn("upstream_try_failed", {{"upstream", target.deployment()},
                                   {"model", target.upstream_model()},
                                   {"result", to_string(outcome.result)},
                                   {"status", outcome.status},
                                   {"attempt", state.attempts},
                                   {"error", text},
                                   {"request_id", state.request.request_id}});
  if (outcome.result == try_result::denied)
    text = fmt::format("it does not accept Troupe's key (status {}); check its api_key and account",
                       outcome.status);
  if (state.tried.size() < 2'000)
    state.tried += (state.tried.empty() ? "" : "; ") + target.deployment() + ": " + text;
  bool shown = outcome.answer != nullptr && outcome.result != try_result::denied
               && (outcome.result != try_result::refused) // of a fallback
               && (outcome.result != try_result::not_here || !state.failed_answer);
  if (shown)
    state.failed_answer = std::move(outcome.answer);
  if (!state.error || outcome.result == try_result::timed_out)
    state.error = outcome.error;
}

caf::error upstreams_impl::conclude(call_state& state) const {
  auto code = state.error ? info(state.error).code : ec::upstream_unavailable;
  if (code != ec::upstream_timeout && code != ec::overloaded)
    code = ec::upstream_unavailable;
  if (state.route.targets().empty())
    return make_error(code, "no upstream serves this model");
  return make_error(code, "no upstream could answer (" + state.tried + ")");
}

} // namespace

std::shared_ptr<upstreams> make_upstreams(io_shard& shard, upstreams_options options) {
  return std::make_shared<upstreams_impl>(shard, std::move(options));
}

} // namespace troupe::gateway
