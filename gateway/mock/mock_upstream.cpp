#include "gateway/mock/mock_upstream.hpp"

#include "gateway/openai/shapes.hpp"
#include "messages/clock.hpp"

#include <boost/asio/redirect_error.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/use_awaitable.hpp>

#include <nlohmann/json.hpp>

#include <array>
#include <chrono>

namespace troupe::gateway {

namespace {

using nlohmann::json;
using clock = std::chrono::steady_clock;
using std::chrono::milliseconds;

constexpr std::size_t aborts_kept = 1'000;
constexpr std::size_t models_kept = 1'000;
constexpr std::size_t embedding_size = 64;

struct mock_state {
  mock_options options;
  mock_stats stats;
  mock_faults faults;
};
using state_ptr = std::shared_ptr<mock_state>;

std::string text_of(std::int64_t tokens) {
  std::string text;
  for (std::int64_t i = 0; i < tokens; ++i)
    text += mock_token(i);
  return text;
}

/// One request to the mock. Lives in the handler's coroutine.
class mock_call {
public:
  mock_call(mock_state& state, exchange& x, bool chat) :
      state_(state), x_(x), chat_(chat), timer_(x.shard().context()), began_(clock::now()) {
    x_.on_disconnect([this] {
      left_ = true;
      timer_.cancel();
    });
  }
  ~mock_call() {
    x_.on_disconnect(nullptr);
    if (left_)
      state_.stats.aborted(question_.model, system_clock()->now_us(), sent_);
  }

  asio::awaitable<void> serve() {
    question_ = read_demo_question(chat_ ? "/chat/completions" : "/completions", x_.body());
    state_.stats.begun(question_.model);
    if (!question_.error.empty()) {
      co_await refuse(400, question_.error, fault_.error_code);
      co_return;
    }
    mock_request request{question_.model, x_.header("authorization"),
                         question_.ends_with_assistant};
    fault_ = state_.faults.next(request);
    tokens_ = state_.options.tokens;
    if (question_.max_tokens > 0 && question_.max_tokens < tokens_) {
      tokens_ = question_.max_tokens;
      fault_.finish_reason = "length";
    }
    if (fault_.reset) {
      x_.drop();
      co_return;
    }
    if (fault_.silent)
      co_await wait_until(clock::time_point::max());
    if (!left_)
      co_await wait_until(began_ + milliseconds{state_.options.latency_ms});
    if (left_)
      co_return;
    if (fault_.status != 200)
      co_await refuse(fault_.status, fault_.error_message, fault_.error_code);
    else if (question_.stream)
      co_await stream();
    else
      co_await whole();
  }

private:
  /// Or until the other side left.
  asio::awaitable<void> wait_until(clock::time_point due) {
    if (left_ || due <= clock::now())
      co_return;
    timer_.expires_at(due);
    boost::system::error_code ignored;
    co_await timer_.async_wait(asio::redirect_error(asio::use_awaitable, ignored));
  }

  clock::time_point due_of(std::int64_t token) const {
    auto due = began_ + milliseconds{state_.options.latency_ms + fault_.first_token_ms};
    if (state_.options.tokens_per_s > 0)
      due += std::chrono::duration_cast<clock::duration>(
          std::chrono::duration<double>(static_cast<double>(token) / state_.options.tokens_per_s));
    if (fault_.stall_after >= 0 && token >= fault_.stall_after)
      due += milliseconds{fault_.stall_ms};
    return due;
  }

  openai::answer_head head() const {
    return {(chat_ ? "chatcmpl-mock" : "cmpl-mock"), question_.model, 1'700'000'000, chat_};
  }

  v1::Usage usage() const {
    v1::Usage usage;
    usage.set_prompt_tokens(question_.prompt_tokens);
    usage.set_completion_tokens(tokens_);
    usage.set_total_tokens(question_.prompt_tokens + tokens_);
    return usage;
  }

  asio::awaitable<void> refuse(int status, std::string message, std::string code) {
    header_list headers;
    if (!fault_.retry_after.empty())
      headers.emplace_back("Retry-After", fault_.retry_after);
    if (!fault_.location.empty())
      headers.emplace_back("Location", fault_.location);
    auto type = status == 429   ? "rate_limit_error"
                : status >= 500 ? "server_error"
                                : "invalid_request_error";
    auto body =
        fault_.content_type == "text/html" ? message : openai::error_json(message, type, code);
    co_await x_.reply(status, fault_.content_type, std::move(body), std::move(headers));
  }

  asio::awaitable<void> whole() {
    co_await wait_until(due_of(tokens_));
    if (left_)
      co_return;
    auto body = openai::whole_answer_json(head(), text_of(tokens_), fault_.finish_reason, usage());
    if (fault_.no_usage)
      body = body.substr(0, body.find(",\"usage\":")) + "}";
    if (fault_.cut_after >= 0) {
      header_list none;
      auto out = co_await x_.start_body(200, "application/json", std::move(none));
      auto part = body.substr(0, body.size() / 2);
      co_await out->write(part);
      co_return; // unfinished
    }
    sent_ = tokens_;
    state_.stats.ended(question_.model, question_.prompt_tokens, tokens_);
    header_list none;
    co_await x_.reply(200, "application/json", std::move(body), std::move(none));
  }

  asio::awaitable<void> stream() {
    header_list headers;
    headers.emplace_back("Cache-Control", "no-cache");
    auto out = co_await x_.start_body(200, "text/event-stream", std::move(headers));
    auto of = head();
    std::string piece;
    if (fault_.error_first)
      fault_.error_after = 0;
    while (sent_ <= tokens_) {
      co_await wait_until(due_of(sent_));
      if (left_ || sent_ == fault_.cut_after)
        co_return; // unfinished
      piece.clear();
      if (sent_ == fault_.error_after) {
        piece = "data: " + openai::error_json("no GPU is left", "server_error", "") + "\n\n";
        co_await out->write(piece);
        co_await out->finish();
        co_return;
      }
      append_due(piece, of);
      if (auto gone = co_await out->write(piece))
        co_return;
    }
    state_.stats.ended(question_.model, question_.prompt_tokens, tokens_);
    if (fault_.leave_open)
      co_await wait_until(clock::time_point::max());
    else
      co_await out->finish();
  }

  /// The tokens that are due now, at least one, and after the last the end.
  void append_due(std::string& piece, const openai::answer_head& of) {
    do {
      if (sent_ == fault_.malformed_after)
        piece += "data: {\"choices\":[{\"delta\":{\"content\":\n\n";
      if (sent_ == tokens_) {
        append_end(piece, of);
        ++sent_;
        return;
      }
      openai::append_chunk(piece, of, mock_token(sent_), {}, sent_ == 0);
      ++sent_;
    } while (sent_ <= tokens_ && sent_ != fault_.cut_after && sent_ != fault_.error_after
             && piece.size() < 16'384 && due_of(sent_) <= clock::now());
  }

  void append_end(std::string& piece, const openai::answer_head& of) {
    openai::append_chunk(piece, of, {}, fault_.finish_reason, false);
    if (question_.include_usage && !fault_.no_usage)
      openai::append_usage_chunk(piece, of, usage());
    if (!fault_.no_done)
      piece += openai::done_event;
  }

  mock_state& state_;
  exchange& x_;
  bool chat_;
  asio::steady_timer timer_;
  clock::time_point began_;
  demo_question question_;
  mock_fault fault_;
  std::int64_t tokens_ = 0;
  std::int64_t sent_ = 0;
  bool left_ = false;
};

asio::awaitable<void> serve_text(state_ptr state, exchange& x, bool chat) {
  mock_call one{*state, x, chat};
  co_await one.serve();
}

asio::awaitable<void> serve_embeddings(state_ptr state, exchange& x) {
  auto question = read_demo_question("/embeddings", x.body());
  state->stats.begun(question.model);
  header_list none;
  if (!question.error.empty()) {
    auto body = openai::error_json(question.error, "invalid_request_error", "");
    co_await x.reply(400, "application/json", std::move(body), std::move(none));
    co_return;
  }
  std::vector<std::vector<float>> vectors;
  for (const auto& text : question.inputs) {
    auto& vector = vectors.emplace_back(embedding_size, 0.0f);
    vector[text.size() % embedding_size] = 1;
  }
  auto body =
      openai::embeddings_json(question.model, vectors, question.prompt_tokens, question.base64);
  state->stats.ended(question.model, question.prompt_tokens, 0);
  co_await x.reply(200, "application/json", std::move(body), std::move(none));
}

asio::awaitable<void> serve_models(exchange& x) {
  json list{{"object", "list"}, {"data", json::array()}};
  auto add = [&](std::string_view id) {
    list["data"].push_back(
        {{"id", id}, {"object", "model"}, {"created", 1'700'000'000}, {"owned_by", "mock"}});
  };
  add("mock");
  for (const auto& fault : mock_fault_list())
    add(fault.model);
  co_await reply_json(x, 200, list);
}

asio::awaitable<void> serve_stats(state_ptr state, exchange& x) {
  const auto& open = state->options.connections_open;
  auto body = state->stats.json(open ? open() : 0);
  header_list none;
  co_await x.reply(200, "application/json", std::move(body), std::move(none));
}

} // namespace

std::string_view mock_token(std::int64_t index) {
  static constexpr std::array<std::string_view, 16> words{
      "the ",    "quick ", "brown ", "fox ",  "jumps ", "over ",  "a ",      "lazy ",
      "sleepy ", "dog ",   "while ", "many ", "small ", "words ", "stream ", "by "};
  return words[static_cast<std::size_t>(index) % words.size()];
}

void mock_stats::begun(const std::string& model) {
  std::lock_guard guard{mutex_};
  ++requests_;
  if (by_model_.size() < models_kept || by_model_.contains(model))
    ++by_model_[model];
}

void mock_stats::ended(const std::string&, std::int64_t prompt_tokens,
                       std::int64_t completion_tokens) {
  std::lock_guard guard{mutex_};
  ++finished_;
  prompt_tokens_ += prompt_tokens;
  completion_tokens_ += completion_tokens;
}

void mock_stats::aborted(const std::string& model, std::int64_t at_us, std::int64_t tokens_sent) {
  std::lock_guard guard{mutex_};
  ++aborts_;
  last_aborts_.push_back({model, at_us, tokens_sent});
  if (last_aborts_.size() > aborts_kept)
    last_aborts_.pop_front();
}

std::string mock_stats::json(std::int64_t connections_open) const {
  std::lock_guard guard{mutex_};
  nlohmann::json out{{"requests", requests_},
                     {"finished", finished_},
                     {"prompt_tokens", prompt_tokens_},
                     {"completion_tokens", completion_tokens_},
                     {"aborted", aborts_},
                     {"connections_open", connections_open},
                     {"by_model", by_model_},
                     {"aborts", nlohmann::json::array()}};
  for (const auto& one : last_aborts_)
    out["aborts"].push_back(
        {{"model", one.model}, {"at_us", one.at_us}, {"tokens_sent", one.tokens_sent}});
  return out.dump();
}

void add_mock_routes(router& routes, mock_options options) {
  auto state = std::make_shared<mock_state>();
  state->options = std::move(options);
  route_options route;
  route.openai_errors = true;
  routes.add(
      "POST", "/v1/chat/completions", [state](exchange& x) { return serve_text(state, x, true); },
      route);
  routes.add(
      "POST", "/v1/completions", [state](exchange& x) { return serve_text(state, x, false); },
      route);
  routes.add(
      "POST", "/v1/embeddings", [state](exchange& x) { return serve_embeddings(state, x); }, route);
  routes.add("GET", "/v1/models", serve_models, route);
  routes.add(
      "GET", "/mock/stats", [state](exchange& x) { return serve_stats(state, x); }, route);
}

} // namespace troupe::gateway
