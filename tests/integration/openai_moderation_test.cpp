// Moderation of /v1 on real sockets: what an upstream gets, and what a client.
#include "tests/support/openai_fixture.hpp"
#include "tests/support/script_server.hpp"
#include "tests/support/word_guard.hpp"

#include <doctest/doctest.h>

#include <mutex>

using namespace troupe;
using namespace troupe::test;
using moderation::action;
using json = nlohmann::json;

namespace {

/// An upstream that answers as a test says, and keeps what it was asked.
struct scripted_upstream : openai_fixture {
  scripted_upstream() {
    guard = words.guard;
    serve({}, [this](std::vector<config::upstream_section>& all) {
      for (auto& one : all)
        one.base_url = upstream.url();
    });
  }

  void script(peer& at) {
    for (auto request = at.read_request(); !request.empty(); request = at.read_request()) {
      std::lock_guard lock{mutex};
      asked.push_back(json::parse(request.substr(request.find("\r\n\r\n") + 4), nullptr, false));
      if (events.empty()) {
        at.answer(200, whole.dump());
        continue;
      }
      std::string body;
      for (const auto& event : events)
        body += "data: " + event + "\n\n";
      at.write("HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nContent-Length: "
               + std::to_string(body.size()) + "\r\n\r\n" + body);
    }
  }

  static std::string chunk(const json& delta, const json& reason = nullptr) {
    return json{{"id", "c-1"},
                {"object", "chat.completion.chunk"},
                {"model", "mock"},
                {"choices", {{{"index", 0}, {"delta", delta}, {"finish_reason", reason}}}}}
        .dump();
  }
  static std::string said(const std::string& text) { return chunk({{"content", text}}); }
  static std::string usage() {
    return R"({"id":"c-1","choices":[],"usage":{"prompt_tokens":3,"completion_tokens":9,)"
           R"("total_tokens":12}})";
  }
  answer ask(const std::string& content, bool stream = false, const std::string& more = "") {
    json body{{"model", "mock"}, {"messages", {{{"role", "user"}, {"content", content}}}}};
    auto text = body.dump();
    text.pop_back();
    return post("/v1/chat/completions", text + (stream ? ",\"stream\":true" : "") + more + "}");
  }
  static std::string reason_of(const answer& a) {
    std::string out;
    for (const auto& event : a.events()) {
      auto one = json::parse(event, nullptr, false);
      if (one.is_object() && !one["choices"].empty()
          && one["choices"][0]["finish_reason"].is_string())
        out += one["choices"][0]["finish_reason"].get<std::string>();
    }
    return out;
  }

  word_guard words{{word("mellow", action::mask), word("hidden", action::block, "secrets")}};
  std::mutex mutex;
  std::vector<json> asked;
  std::vector<std::string> events; // of a stream; empty: `whole`
  json whole{{"id", "c-1"},
             {"object", "chat.completion"},
             {"model", "mock"},
             {"choices",
              {{{"index", 0},
                {"message", {{"role", "assistant"}, {"content", "fine"}}},
                {"finish_reason", "stop"}}}},
             {"usage", {{"prompt_tokens", 3}, {"completion_tokens", 4}, {"total_tokens", 7}}}};
  script_server upstream{[this](peer& at) { script(at); }};
};

} // namespace

TEST_CASE_FIXTURE(scripted_upstream, "a request with a blocked word is refused in OpenAI's shape") {
  auto a = ask("it is hidden");
  CHECK(a.status == 400);
  auto error = a.json()["error"];
  CHECK(error["code"] == "content_filter");
  CHECK(error["type"] == "invalid_request_error");
  CHECK(error["message"] == config::moderation_section{}.refusal);
  CHECK(asked.empty());
  CHECK(words.told() == "block:secrets:hidden");
  CHECK(words.hits()[0].principal_id() == "key-1");
  CHECK(!words.hits()[0].request_id().empty());
}

TEST_CASE_FIXTURE(scripted_upstream, "a masked request goes to the upstream as it was masked") {
  auto a = ask("a mellow \"day\"", false, ",\"temperature\":0.5");
  CHECK(a.status == 200);
  REQUIRE(asked.size() == 1);
  CHECK(asked[0]["messages"][0]["content"] == "a ****** \"day\"");
  CHECK(asked[0]["temperature"] == 0.5);
  CHECK(a.json() == whole);
}

TEST_CASE_FIXTURE(scripted_upstream, "long texts are looked at too, and leave as they came") {
  std::string text(300'000, 'x');
  REQUIRE(ask(text).status == 200);
  CHECK(asked[0]["messages"][0]["content"] == text);
  CHECK(ask(text + " hidden " + text).status == 400);
  REQUIRE(ask(text + " mellow " + text).status == 200);
  CHECK(asked[1]["messages"][0]["content"] == text + " ****** " + text);
}

TEST_CASE_FIXTURE(scripted_upstream, "prompts and inputs are looked at as messages are") {
  CHECK(post("/v1/completions", R"({"model":"mock","prompt":"hidden"})").status == 400);
  CHECK(post("/v1/embeddings", R"({"model":"mock","input":["a","hidden"]})").status == 400);
  CHECK(asked.empty());
  CHECK(post("/v1/embeddings", R"({"model":"mock","input":["a","mellow"]})").status == 200);
  REQUIRE(asked.size() == 1);
  CHECK(asked[0]["input"] == json{"a", "******"});
}

TEST_CASE_FIXTURE(scripted_upstream, "a whole answer passes as it came, or with its text masked") {
  CHECK(ask("hi").body == whole.dump());
  whole["choices"][0]["message"]["content"] = "a mellow day";
  whole["choices"][0]["logprobs"] = {{"content", {{{"token", "mellow"}}}}};
  auto a = ask("hi").json();
  CHECK(a["choices"][0]["message"]["content"] == "a ****** day");
  CHECK(a["choices"][0]["logprobs"].is_null());
  CHECK(a["choices"][0]["finish_reason"] == "stop");
  CHECK(a["usage"] == whole["usage"]);
}

TEST_CASE_FIXTURE(scripted_upstream, "a blocked whole answer is empty, and costs what it cost") {
  whole["choices"][0]["message"]["content"] = "it is hidden";
  auto a = ask("hi");
  CHECK(a.status == 200);
  CHECK(a.json()["choices"][0]["message"]["content"] == "");
  CHECK(a.json()["choices"][0]["finish_reason"] == "content_filter");
  CHECK(record(0).usage().total_tokens() == 7);
  CHECK(record(0).ending() == v1::ENDING_FINISHED);
}

TEST_CASE_FIXTURE(scripted_upstream, "a stream without a hit passes event by event as it came") {
  events = {chunk({{"role", "assistant"}, {"content", ""}}),
            said("all is"),
            said(" well."),
            chunk(json::object(), "stop"),
            usage(),
            "[DONE]"};
  auto a = ask("hi", true);
  auto expected = events;
  expected.erase(expected.begin() + 4);
  CHECK(a.events() == expected);
  CHECK(record(0).usage().completion_tokens() == 9);
}

TEST_CASE_FIXTURE(scripted_upstream, "a stream is masked over the borders of its events") {
  events = {said("a mel"), said("low"), said(" day, mel"), chunk(json::object(), "stop"),
            usage(),       "[DONE]"};
  auto a = ask("hi", true, R"(,"stream_options":{"include_usage":true})");
  CHECK(a.text() == "a ****** day, mel");
  CHECK(reason_of(a) == "stop");
  CHECK(a.done());
  CHECK(a.events()[a.events().size() - 2] == usage());
  CHECK(record(0).usage().completion_tokens() == 9);
  CHECK(!record(0).usage().estimated());
}

TEST_CASE_FIXTURE(scripted_upstream, "a blocked stream ends with content_filter, and is counted") {
  events = {said("it is hid"), said("den in here"),
            said(" and more"), chunk(json::object(), "stop"),
            usage(),           "[DONE]"};
  auto a = ask("one two three", true, R"(,"stream_options":{"include_usage":true})");
  CHECK(a.status == 200);
  CHECK(a.whole);
  CHECK(a.text() == "it is ");
  CHECK(reason_of(a) == "content_filter");
  CHECK(a.done());
  CHECK(a.body.find("more") == std::string::npos);
  auto r = record(0);
  CHECK(r.ending() == v1::ENDING_FINISHED);
  CHECK(r.usage().estimated());
  CHECK(r.usage().completion_tokens() == 5); // what came until then: it is hidden in here
  CHECK(a.events()[a.events().size() - 2].find("\"completion_tokens\":5") != std::string::npos);
}

TEST_CASE_FIXTURE(scripted_upstream, "an older completion's stream is looked at as a chat's") {
  auto text = [](const std::string& what, const json& reason = nullptr) {
    return json{{"id", "c"},
                {"object", "text_completion"},
                {"choices", {{{"index", 0}, {"text", what}, {"finish_reason", reason}}}}}
        .dump();
  };
  events = {text("a mel"), text("low day of mel"), text("", "stop"), "[DONE]"};
  auto a = post("/v1/completions", R"({"model":"mock","prompt":"hi","stream":true})");
  CHECK(a.text() == "a ****** day of mel");
  CHECK(reason_of(a) == "stop");
}

TEST_CASE_FIXTURE(scripted_upstream, "what a model said before is the model's, and is looked at") {
  auto body = R"({"model":"mock","messages":[{"role":"assistant","content":"a mellow day"},)"
              R"({"role":"user","content":"hi"}]})";
  REQUIRE(post("/v1/chat/completions", body).status == 200);
  CHECK(asked[0]["messages"][0]["content"] == "a ****** day");
}
