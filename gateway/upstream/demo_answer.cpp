#include "gateway/upstream/demo_answer.hpp"

#include "gateway/openai/shapes.hpp"
#include "gateway/upstream/answers.hpp"
#include "gateway/upstream/demo_reply.hpp"
#include "messages/clock.hpp"
#include "messages/error.hpp"
#include "messages/id.hpp"

#include <boost/asio/redirect_error.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/beast/core/string.hpp>

#include <nlohmann/json.hpp>

#include <chrono>
#include <cmath>

namespace troupe::gateway {

namespace {

using json = nlohmann::json;
using clock = std::chrono::steady_clock;

constexpr std::size_t embedding_size = 64;

/// A string, or the text parts of a list.
std::string text_of(const json& content) {
  if (content.is_string())
    return content.get<std::string>();
  std::string text;
  if (content.is_array())
    for (const auto& part : content)
      if (part.is_object() && part.value("type", "") == "text" && part.contains("text")
          && part["text"].is_string())
        text += part["text"].get<std::string>();
  return text;
}

void read_messages(const json& request, demo_question& question) {
  auto messages = request.find("messages");
  if (messages == request.end() || !messages->is_array() || messages->empty()) {
    question.error = "messages must be a list with at least one message";
    return;
  }
  for (const auto& message : *messages) {
    if (!message.is_object())
      continue;
    auto text = message.contains("content") ? text_of(message["content"]) : std::string{};
    question.prompt_tokens += demo_reply::count_tokens(text);
    auto role = message.find("role");
    question.ends_with_assistant = role != message.end() && *role == "assistant";
    if (role != message.end() && *role == "user")
      question.last_user_text = std::move(text);
  }
}

void read_input(const json& request, demo_question& question) {
  auto input = request.find("input");
  if (input != request.end() && input->is_string())
    question.inputs.push_back(input->get<std::string>());
  else if (input != request.end() && input->is_array())
    for (const auto& one : *input)
      question.inputs.push_back(one.is_string() ? one.get<std::string>() : one.dump());
  if (question.inputs.empty())
    question.error = "input must be a text or a list of texts";
  for (const auto& text : question.inputs)
    question.prompt_tokens += demo_reply::count_tokens(text);
}

std::vector<float> embed(std::string_view text) {
  std::vector<float> vector(embedding_size);
  std::uint64_t state = 1469598103934665603ull;
  for (unsigned char c : text)
    state = (state ^ c) * 1099511628211ull;
  double sum = 0;
  for (auto& x : vector) {
    state = state * 6364136223846793005ull + 1442695040888963407ull;
    x = static_cast<float>(static_cast<double>(state >> 40) / (1 << 23) - 1.0);
    sum += static_cast<double>(x) * x;
  }
  for (auto& x : vector)
    x = static_cast<float>(x / std::sqrt(sum));
  return vector;
}

/// Streams a reply at its pace, or gives it whole.
class demo_answer final : public upstream_answer {
public:
  demo_answer(asio::io_context& io, const config::upstream_section& section,
              const v1::RouteTarget& target, const demo_question& question, bool chat,
              cancellation& stop) :
      timer_(io),
      stop_(stop),
      options_(demo_options_of(section)),
      reply_(question.last_user_text, options_, question.max_tokens),
      began_(clock::now()),
      deployment_(target.deployment()),
      model_(target.upstream_model()),
      prompt_tokens_(question.prompt_tokens),
      stream_(question.stream),
      include_usage_(question.include_usage) {
    auto now_us = system_clock()->now_us();
    head_ = {(chat ? "chatcmpl-" : "cmpl-") + new_id(now_us), model_, now_us / 1'000'000, chat};
    stop_.on_cancel([this] { timer_.cancel(); });
  }

  ~demo_answer() override { stop_.on_cancel(nullptr); }

  int status() const override { return 200; }
  std::string_view header(std::string_view name) const override {
    if (!boost::beast::iequals(name, "content-type"))
      return {};
    return stream_ ? "text/event-stream" : "application/json";
  }
  const std::string& deployment() const override { return deployment_; }
  const std::string& upstream_model() const override { return model_; }
  std::int64_t first_byte_us() const override { return options_.latency_ms * 1000; }
  void expect_end_within(std::chrono::milliseconds) override {}

  asio::awaitable<caf::expected<std::string_view>> read() override {
    piece_.clear();
    if (ended_)
      co_return std::string_view{};
    auto stopped = co_await wait_until_due(reply_.tokens_given());
    if (stopped)
      co_return stopped;
    if (!stream_) {
      auto err = co_await make_whole();
      if (err)
        co_return err;
    } else if (options_.tokens_per_s == 0) {
      while (!ended_)
        make_chunk();
    } else {
      make_chunk();
    }
    co_return std::string_view{piece_};
  }

  asio::awaitable<caf::expected<std::string>> read_all(std::size_t bytes_max) override {
    std::string all;
    for (;;) {
      auto piece = co_await read();
      if (!piece)
        co_return std::move(piece.error());
      if (piece->empty())
        co_return all;
      all += *piece;
      if (all.size() > bytes_max)
        co_return make_error(ec::upstream_broken, "the demo's reply is too long");
    }
  }

private:
  /// Waits until the token after `tokens` is due.
  asio::awaitable<caf::error> wait_until_due(std::int64_t tokens) {
    auto due = began_ + std::chrono::milliseconds{options_.latency_ms};
    if (options_.tokens_per_s > 0)
      due += std::chrono::duration_cast<clock::duration>(
          std::chrono::duration<double>(static_cast<double>(tokens) / options_.tokens_per_s));
    if (due > clock::now()) {
      timer_.expires_at(due);
      boost::system::error_code ignored;
      co_await timer_.async_wait(asio::redirect_error(asio::use_awaitable, ignored));
    }
    co_return stop_.cancelled() ? make_error(ec::cancelled) : caf::error{};
  }

  asio::awaitable<caf::error> make_whole() {
    auto text = reply_.rest();
    ended_ = true;
    auto stopped = co_await wait_until_due(reply_.tokens_given());
    if (stopped)
      co_return stopped;
    piece_ = openai::whole_answer_json(head_, text, reply_.finish_reason(),
                                       reply_.usage(prompt_tokens_));
    co_return caf::error{};
  }

  void make_chunk() {
    bool first = reply_.tokens_given() == 0;
    auto token = reply_.next();
    if (!token.empty()) {
      openai::append_chunk(piece_, head_, token, {}, first);
      return;
    }
    openai::append_chunk(piece_, head_, {}, reply_.finish_reason(), false);
    if (include_usage_)
      openai::append_usage_chunk(piece_, head_, reply_.usage(prompt_tokens_));
    piece_ += openai::done_event;
    ended_ = true;
  }

  asio::steady_timer timer_;
  cancellation& stop_;
  demo_options options_;
  demo_reply reply_;
  clock::time_point began_;
  openai::answer_head head_;
  std::string deployment_;
  std::string model_;
  std::string piece_;
  std::int64_t prompt_tokens_;
  bool stream_;
  bool include_usage_;
  bool ended_ = false;
};

} // namespace

demo_question read_demo_question(std::string_view path, std::string_view body) {
  demo_question question;
  auto request = json::parse(body, nullptr, false);
  if (!request.is_object()) {
    question.error = "the body is no JSON object";
    return question;
  }
  auto flag = [](const json& from, const char* name) {
    auto found = from.find(name);
    return found != from.end() && found->is_boolean() && found->get<bool>();
  };
  if (request.contains("model") && request["model"].is_string())
    question.model = request["model"].get<std::string>();
  question.stream = flag(request, "stream");
  auto stream_options = request.find("stream_options");
  question.include_usage = stream_options != request.end() && stream_options->is_object()
                           && flag(*stream_options, "include_usage");
  for (auto name : {"max_tokens", "max_completion_tokens"})
    if (request.contains(name) && request[name].is_number_integer())
      question.max_tokens = std::max<std::int64_t>(request[name].get<std::int64_t>(), 0);
  if (path == "/embeddings") {
    question.base64 = request.contains("encoding_format") && request["encoding_format"] == "base64";
    read_input(request, question);
  } else if (path == "/completions") {
    auto prompt = request.find("prompt");
    question.last_user_text = prompt == request.end() ? "" : text_of(*prompt);
    question.prompt_tokens = demo_reply::count_tokens(question.last_user_text);
  } else {
    read_messages(request, question);
  }
  return question;
}

std::unique_ptr<upstream_answer> make_demo_answer(asio::io_context& io,
                                                  const config::upstream_section& section,
                                                  const v1::RouteTarget& target,
                                                  std::string_view path, std::string_view body,
                                                  cancellation& stop) {
  auto question = read_demo_question(path, body);
  bool chat = path == "/chat/completions";
  if (question.error.empty() && (chat || path == "/completions"))
    return std::make_unique<demo_answer>(io, section, target, question, chat, stop);
  auto whole = std::make_unique<whole_answer>();
  whole->from = target.deployment();
  whole->model = target.upstream_model();
  whole->content_type = "application/json";
  if (!question.error.empty()) {
    whole->code = 400;
    whole->body = openai::error_json(question.error, "invalid_request_error", "");
  } else if (path == "/embeddings") {
    std::vector<std::vector<float>> vectors;
    for (const auto& text : question.inputs)
      vectors.push_back(embed(text));
    whole->code = 200;
    whole->body = openai::embeddings_json(target.upstream_model(), vectors, question.prompt_tokens,
                                          question.base64);
  } else {
    whole->code = 404;
    whole->body = openai::error_json("the demo does not know " + std::string{path},
                                     "invalid_request_error", "unsupported");
  }
  return whole;
}

} // namespace troupe::gateway
