// The faults that a gateway must survive: the first upstream misbehaves, another is configured.
#include "tests/support/openai_fixture.hpp"

#include <doctest/doctest.h>

using namespace troupe;
using namespace troupe::gateway;
using namespace troupe::test;
using namespace std::chrono_literals;
using json = nlohmann::json;

namespace {

struct fault_fixture : openai_fixture {
  void serve_fast(std::int64_t tokens_per_s = 0) {
    mock_options options;
    options.tokens_per_s = static_cast<double>(tokens_per_s);
    serve(options, [](auto& sections) {
      sections[0].first_byte_limit_ms = 300;
      sections[0].idle_limit_ms = 300;
    });
  }
  std::int64_t asked(const std::string& model) const {
    auto stats = mock_stats();
    return stats["by_model"].value(model, std::int64_t{0});
  }
  static bool is_whole_answer(const answer& a) {
    return a.status == 200 && a.whole && a.done() && a.text().ends_with("dog while many ");
  }
  static json error_of(const answer& a) {
    auto all = a.events();
    REQUIRE(!all.empty());
    return json::parse(all.back(), nullptr, false)["error"];
  }
  /// An explicit error, and nothing that looks like a whole answer.
  static bool is_broken_off(const answer& a) {
    return a.status == 200 && !a.whole && !a.done() && error_of(a).is_object();
  }
};

} // namespace

TEST_CASE_FIXTURE(fault_fixture, "1: 429 with Retry-After once is retried after it") {
  serve_fast();
  auto a = chat("over-429-retry-after", true);
  CHECK(is_whole_answer(a));
  CHECK(a.took >= 2s);
  CHECK(a.headers["x-upstream"] == "main");
  CHECK(asked("fault-429-retry-after") == 2);
}

TEST_CASE_FIXTURE(fault_fixture, "2: 429 for ever is failed over") {
  serve_fast();
  auto a = chat("over-429", true);
  CHECK(is_whole_answer(a));
  CHECK(a.headers["x-upstream"] == "backup");
  CHECK(asked("fault-429") <= 6);
  auto alone = chat("fault-429", true);
  CHECK(alone.status == 429);
  CHECK(alone.json()["error"]["type"] == "rate_limit_error");
  CHECK(record(1).ending() == v1::ENDING_UPSTREAM_FAILED);
  CHECK(record(1).usage().total_tokens() == 0);
}

TEST_CASE_FIXTURE(fault_fixture, "3: one 500 is retried once on the same upstream") {
  serve_fast();
  auto a = chat("over-500-once", false);
  CHECK(a.status == 200);
  CHECK(a.headers["x-upstream"] == "main");
  CHECK(asked("fault-500-once") == 2);
}

TEST_CASE_FIXTURE(fault_fixture, "4: 503 for ever is failed over") {
  serve_fast();
  CHECK(chat("over-503", false).headers["x-upstream"] == "backup");
  auto alone = chat("fault-503", false);
  CHECK(alone.status == 503);
  CHECK(alone.json()["error"]["message"] == "maintenance");
}

TEST_CASE_FIXTURE(fault_fixture, "5: a reset before the head is answered") {
  serve_fast();
  CHECK(is_whole_answer(chat("over-reset", true)));
  auto alone = chat("fault-reset", true);
  CHECK(alone.status == 502);
  CHECK(alone.json()["error"]["code"] == "upstream_unavailable");
}

TEST_CASE_FIXTURE(fault_fixture, "6: a silent upstream is left at its limit and not tried again") {
  serve_fast();
  auto a = chat("over-silent", true);
  CHECK(is_whole_answer(a));
  CHECK(a.took >= 300ms);
  CHECK(a.took < 3s);
  CHECK(asked("fault-silent") == 1);
  auto alone = chat("fault-silent", true);
  CHECK(alone.status == 504);
  CHECK(alone.json()["error"]["code"] == "upstream_timeout");
}

TEST_CASE_FIXTURE(fault_fixture, "7: a first token that comes too late is failed over") {
  serve_fast();
  auto a = chat("over-slow-first-token", true);
  CHECK(is_whole_answer(a));
  CHECK(a.headers["x-upstream"] == "backup");
  CHECK(a.took < 3s);
}

TEST_CASE_FIXTURE(fault_fixture, "8: a stream cut in the middle is an explicit error") {
  serve_fast(1'000);
  auto a = chat("over-cut-40", true);
  CHECK(is_broken_off(a));
  CHECK(error_of(a)["code"] == "upstream_broken");
  CHECK(error_of(a)["type"] == "server_error");
  auto r = record(0);
  CHECK(r.ending() == v1::ENDING_UPSTREAM_FAILED);
  CHECK(r.usage().completion_tokens() == 40);
  CHECK(r.usage().estimated());
  auto whole = chat("over-cut-40", false);
  CHECK(whole.status == 502);
  CHECK(whole.json()["error"]["code"] == "upstream_broken");
}

TEST_CASE_FIXTURE(fault_fixture,
                  "9: a stream gone silent ends at the stall limit, healthy afterwards") {
  serve_fast();
  auto a = chat("over-stall", true);
  CHECK(is_broken_off(a));
  CHECK(error_of(a)["code"] == "upstream_timeout");
  CHECK(a.took < 3s);
  CHECK(record(0).usage().completion_tokens() == 10);
  CHECK(is_whole_answer(chat("mock", true)));
}

TEST_CASE_FIXTURE(fault_fixture, "10: one malformed event is left out") {
  serve_fast();
  auto a = chat("over-malformed", true);
  CHECK(is_whole_answer(a));
  for (const auto& event : a.events())
    CHECK((event == "[DONE]" || json::accept(event)));
  CHECK(record(0).usage().completion_tokens() == 60);
}

TEST_CASE_FIXTURE(fault_fixture, "11: a whole stream without [DONE] is finished at once") {
  serve_fast();
  CHECK(is_whole_answer(chat("over-no-done", true)));
  auto open = chat("over-no-done-open", true);
  CHECK(is_whole_answer(open));
  CHECK(open.took < 1s);
  for (std::size_t i = 0; i < 2; ++i) {
    CHECK(record(i).ending() == v1::ENDING_FINISHED);
    CHECK(record(i).usage().completion_tokens() == 60);
    CHECK(!record(i).usage().estimated());
  }
}

TEST_CASE_FIXTURE(fault_fixture, "12: a context that is too long is not tried again") {
  serve_fast();
  auto a = chat("over-context-length", true);
  CHECK(a.status == 400);
  CHECK(a.json()["error"]["code"] == "context_length_exceeded");
  CHECK(asked("fault-context-length") == 1);
  CHECK(asked("mock") == 0);
  CHECK(record(0).http_status() == 400);
  CHECK(record(0).usage().total_tokens() == 0);
}

TEST_CASE_FIXTURE(fault_fixture, "13: a content filter is not tried again, its reason passed on") {
  serve_fast();
  auto a = chat("over-content-filter", true);
  CHECK(a.status == 400);
  CHECK(a.json()["error"]["code"] == "content_filter");
  CHECK(asked("mock") == 0);
  auto late = chat("over-content-filter-late", true);
  CHECK(late.done());
  CHECK(late.body.find("\"finish_reason\":\"content_filter\"") != std::string::npos);
}

TEST_CASE_FIXTURE(fault_fixture, "14: what only the fallback refuses is not shown") {
  routes["prefill"] = route_to({{"main", "fault-503"}, {"backup", "fault-prefill"}});
  serve_fast();
  auto a = post("/v1/chat/completions",
                R"({"model":"prefill","messages":[{"role":"assistant","content":"I"}]})");
  CHECK(a.status == 503);
  CHECK(a.json()["error"]["message"] == "maintenance");
  CHECK(asked("fault-prefill") == 1);
}

TEST_CASE_FIXTURE(fault_fixture, "15: a flapping upstream costs no answer") {
  serve_fast();
  for (int i = 0; i < 20; ++i)
    CHECK(is_whole_answer(chat("over-flapping", true)));
  REQUIRE(eventually([&] { return log->all_outcomes().size() >= 20; }));
  int failed = 0;
  for (const auto& outcome : log->all_outcomes())
    failed += outcome->ok() ? 0 : 1;
  CHECK(failed >= 5);
}

TEST_CASE_FIXTURE(fault_fixture, "16: the answer names who gave it, failed attempts cost nothing") {
  serve_fast();
  auto a = chat("over-503", false);
  CHECK(a.json()["model"] == "mock");
  auto r = record(0);
  CHECK(r.deployment() == "backup");
  CHECK(r.upstream_model() == "mock");
  CHECK(r.usage().total_tokens() == 63);
  CHECK(log->all_records().size() == 1);
}

TEST_CASE_FIXTURE(fault_fixture,
                  "usage that does not come is counted, and given to who asked for it") {
  serve_fast();
  auto a = chat("fault-no-usage", true, ",\"stream_options\":{\"include_usage\":true}");
  auto events = a.events();
  REQUIRE(events.size() == 63);
  CHECK(json::parse(events[61])["usage"]["completion_tokens"] == 60);
  auto r = record(0);
  CHECK(r.usage().estimated());
  CHECK(r.usage().prompt_tokens() == 9);
  CHECK(chat("fault-no-usage", false).status == 200);
  CHECK(record(1).usage().estimated());
  CHECK(record(1).usage().completion_tokens() == 60);
}

TEST_CASE_FIXTURE(fault_fixture,
                  "errors inside a stream, HTML pages and leaked keys are not passed on") {
  serve({}, [](auto& sections) { sections[0].api_key = "sk-upstream-secret"; });
  CHECK(is_whole_answer(chat("over-error-first", true)));
  auto in_stream = chat("fault-error-10", true);
  CHECK(is_broken_off(in_stream));
  CHECK(error_of(in_stream)["message"].get<std::string>().find("no GPU") != std::string::npos);
  CHECK(record(1).usage().completion_tokens() == 10);
  auto html = chat("fault-html-502", false);
  CHECK(html.status == 502);
  CHECK(html.json()["error"]["type"] == "server_error");
  auto key = chat("fault-401", false);
  CHECK(key.status == 502);
  CHECK(key.body.find("sk-upstream-secret") == std::string::npos);
  CHECK(key.json()["error"]["message"].get<std::string>().find("api_key") != std::string::npos);
  CHECK(is_whole_answer(chat("over-redirect", true)));
}
