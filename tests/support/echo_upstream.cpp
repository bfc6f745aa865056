#include "tests/support/echo_upstream.hpp"

#include "gateway/openai/shapes.hpp"

#include <nlohmann/json.hpp>

namespace troupe::test {

using nlohmann::json;

namespace {

std::string text_of(const json& content) {
  if (content.is_string())
    return content.get<std::string>();
  std::string text;
  if (content.is_array())
    for (const auto& part : content)
      text += part.value("text", "");
  return text;
}

std::string echo_of(const json& request) {
  std::string text;
  for (const auto& message : request.value("messages", json::array()))
    if (message.value("role", "") == "user")
      text += "[" + text_of(message.value("content", json{})) + "]";
  return text;
}

} // namespace

echo_upstream::echo_upstream() :
    server_(std::make_unique<script_server>([this](peer& client) { serve(client); })) {}

echo_upstream::~echo_upstream() { release(); }

std::string echo_upstream::yaml() const {
  return "upstreams:\n  - {name: echo, models: [echo], allow_private: true, base_url: \""
         + server_->url() + "\"}\n";
}

void echo_upstream::hold() {
  std::lock_guard lock{mutex_};
  held_ = true;
}

void echo_upstream::release() {
  std::lock_guard lock{mutex_};
  held_ = false;
  changed_.notify_all();
}

std::size_t echo_upstream::asked() const {
  std::lock_guard lock{mutex_};
  return asked_;
}

bool echo_upstream::wait_asked(std::size_t count, std::chrono::milliseconds limit) {
  std::unique_lock lock{mutex_};
  return changed_.wait_for(lock, limit, [&] { return asked_ >= count; });
}

void echo_upstream::serve(peer& client) {
  for (;;) {
    auto request = client.read_request();
    if (request.empty())
      return;
    {
      std::unique_lock lock{mutex_};
      ++asked_;
      changed_.notify_all();
      changed_.wait(lock, [&] { return !held_; });
    }
    answer(client, request.substr(request.find("\r\n\r\n") + 4));
  }
}

void echo_upstream::answer(peer& client, const std::string& body) {
  auto request = json::parse(body, nullptr, false);
  if (!request.is_object()) {
    client.answer(400, R"({"error":{"message":"no JSON","type":"invalid_request_error"}})");
    return;
  }
  gateway::openai::answer_head head{"chatcmpl-echo", "echo", 1'700'000'000, true};
  auto text = echo_of(request);
  v1::Usage usage;
  usage.set_prompt_tokens(1);
  usage.set_completion_tokens(1);
  usage.set_total_tokens(2);
  if (!request.value("stream", false)) {
    client.answer(200, gateway::openai::whole_answer_json(head, text, "stop", usage));
    return;
  }
  std::string events;
  gateway::openai::append_chunk(events, head, text, {}, true);
  gateway::openai::append_chunk(events, head, {}, "stop", false);
  gateway::openai::append_usage_chunk(events, head, usage);
  events += gateway::openai::done_event;
  client.write("HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nContent-Length: "
               + std::to_string(events.size()) + "\r\n\r\n" + events);
}

} // namespace troupe::test
