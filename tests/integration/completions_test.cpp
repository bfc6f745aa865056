// The actor that asks models for conversations, against the mock upstream.
#include "gateway/upstream/upstream_service.hpp"
#include "messages/clock.hpp"
#include "tests/support/openai_fixture.hpp"
#include "tests/support/pace.hpp"

#include <caf/scoped_actor.hpp>
#include <doctest/doctest.h>

using namespace troupe;
using namespace troupe::gateway;
using namespace troupe::test;
using namespace std::chrono_literals;

namespace {

struct sink_log {
  std::mutex mutex;
  std::vector<v1::CompletionEvent> events;
  int messages = 0;
};

struct sink_state {
  static inline const char* name = "sink";
};

completion_sink_actor::behavior_type sink(self_pointer<completion_sink_actor, sink_state>,
                                          std::shared_ptr<sink_log> log) {
  return {[log](const CompletionEvents& batch) {
    std::lock_guard guard{log->mutex};
    ++log->messages;
    for (const auto& event : batch->events())
      log->events.push_back(event);
  }};
}

struct completion_fixture : openai_fixture {
  upstream_actor service;

  void serve_completions(mock_options options = {},
                         const std::string& demo = "demo://?tokens_per_s=0") {
    serve(options, [&](auto& sections) {
      sections[0].idle_limit_ms = 300;
      config::upstream_section section;
      section.name = "demo";
      section.dialect = "demo";
      section.base_url = demo;
      sections.push_back(section);
    });
    upstream_service_options made;
    made.shards.push_back({troupe->server->shards()[0], calls});
    made.tokenizer = troupe::spawn(host, fake_tokenizer);
    made.running_max = 100;
    service = troupe::spawn(host, upstream_service, made);
  }

  struct run {
    std::shared_ptr<sink_log> log = std::make_shared<sink_log>();
    completion_sink_actor sink;
    caf::error refused;

    std::vector<v1::CompletionEvent> events() const {
      std::lock_guard guard{log->mutex};
      return log->events;
    }
    bool over() const {
      auto all = events();
      return !all.empty() && (all.back().has_finished() || all.back().has_failed());
    }
    std::string text() const {
      std::string text;
      for (const auto& event : events())
        text += event.delta().text();
      return text;
    }
  };

  static v1::StartCompletion question(const std::string& id, v1::Route route) {
    v1::StartCompletion start;
    start.set_completion_id(id);
    *start.mutable_route() = std::move(route);
    start.set_model("m");
    auto* message = start.add_messages();
    message->set_role(v1::ROLE_USER);
    message->add_parts()->mutable_text()->set_text("one two three");
    return start;
  }

  run start(v1::StartCompletion command) {
    run r;
    r.sink = troupe::spawn(host, sink, r.log);
    caf::scoped_actor self{system};
    self->request(service, 5s, StartCompletion{std::move(command)}, r.sink)
        .receive([](const Done&) {}, [&](caf::error& err) { r.refused = std::move(err); });
    return r;
  }
  run start(const std::string& model) { return start(question("c-" + model, routes.at(model))); }
  run finish(const std::string& model) {
    auto r = start(model);
    REQUIRE(!r.refused);
    REQUIRE(eventually([&] { return r.over(); }));
    return r;
  }
};

} // namespace

TEST_CASE_FIXTURE(completion_fixture, "a completion is started, streamed and finished, in order") {
  serve_completions();
  auto r = finish("mock");
  auto events = r.events();
  CHECK(events.front().started().deployment() == "main");
  CHECK(r.text().starts_with("the quick brown "));
  const auto& end = events.back().finished();
  CHECK(end.finish_reason() == "stop");
  CHECK(end.model() == "mock");
  CHECK(end.usage().prompt_tokens() == 3);
  CHECK(end.usage().completion_tokens() == 60);
  CHECK(!end.usage().estimated());
  CHECK(r.log->messages < 20); // a message a read, not a token
}

TEST_CASE_FIXTURE(completion_fixture, "a completion fails over before its first event") {
  serve_completions();
  auto r = finish("over-503");
  CHECK(r.events().front().started().deployment() == "backup");
  CHECK(r.events().back().has_finished());
}

TEST_CASE_FIXTURE(completion_fixture, "a stream that dies fails with what it had cost") {
  mock_options options;
  options.tokens_per_s = 1'000;
  serve_completions(options);
  for (std::string model : {"fault-cut-40", "fault-error-10", "fault-stall"}) {
    CAPTURE(model);
    auto r = finish(model);
    auto end = r.events().back();
    REQUIRE(end.has_failed());
    CHECK(end.failed().after_first_byte());
    CHECK(end.failed().usage().completion_tokens() == (model == "fault-cut-40" ? 40 : 10));
    CHECK(end.failed().usage().estimated());
    CHECK(!end.failed().failure().message().empty());
  }
}

TEST_CASE_FIXTURE(completion_fixture, "what an upstream refuses fails before the first byte") {
  serve_completions();
  auto r = finish("fault-context-length");
  auto failed = r.events().back().failed();
  CHECK(!failed.after_first_byte());
  CHECK(failed.failure().code() == "context_length_exceeded");
  CHECK(failed.usage().total_tokens() == 0);
  CHECK(finish("fault-content-filter").events().back().failed().failure().code()
        == "content_filter");
  CHECK(finish("fault-429").events().back().failed().failure().code() == "upstream_rate_limited");
  CHECK(finish("fault-reset").events().back().failed().failure().code() == "upstream_unavailable");
}

TEST_CASE_FIXTURE(completion_fixture, "streams without [DONE] or with nonsense in them finish") {
  serve_completions();
  for (std::string model : {"fault-no-done", "fault-no-done-open", "fault-malformed"}) {
    CAPTURE(model);
    auto r = finish(model);
    REQUIRE(r.events().back().has_finished());
    CHECK(r.events().back().finished().usage().completion_tokens() == 60);
  }
  auto counted = finish("fault-no-usage").events().back().finished().usage();
  CHECK(counted.estimated());
  CHECK(counted.completion_tokens() == 60);
  CHECK(counted.prompt_tokens() == 9);
}

TEST_CASE_FIXTURE(completion_fixture,
                  "a cancelled completion is silent, its upstream closed at once") {
  mock_options options;
  options.tokens_per_s = 100;
  options.tokens = 10'000;
  serve_completions(options);
  auto r = start("mock");
  REQUIRE(eventually([&] { return !r.text().empty(); }));
  v1::CancelCompletion cancel;
  cancel.set_completion_id("c-mock");
  auto left_us = system_clock()->now_us();
  caf::anon_send(service, CancelCompletion{cancel});
  nlohmann::json stats;
  REQUIRE(eventually([&] {
    stats = mock_stats();
    return stats["aborted"] == 1;
  }));
  CHECK(stats["aborts"][0]["at_us"].get<std::int64_t>() - left_us < slowed * 100'000);
  auto before = r.events().size();
  caf::anon_send(service, CancelCompletion{cancel}); // and again: nothing
  auto other = finish("fault-503");
  CHECK(r.events().size() == before);
  CHECK(!r.over());
}

TEST_CASE_FIXTURE(completion_fixture, "an answer over its bound ends with finish reason length") {
  mock_options options;
  options.tokens = 10'000;
  serve_completions(options);
  auto command = question("c", routes.at("mock"));
  command.set_max_answer_bytes(1'000);
  auto r = start(command);
  REQUIRE(eventually([&] { return r.over(); }));
  REQUIRE(r.events().back().has_finished());
  CHECK(r.events().back().finished().finish_reason() == "length");
  CHECK(r.text().size() < 100'000);
}

TEST_CASE_FIXTURE(completion_fixture, "commands that make no sense, and too many, are refused") {
  serve_completions();
  CHECK(info(start(question("", routes.at("mock"))).refused).code == ec::invalid_argument);
  CHECK(info(start(question("c", {})).refused).code == ec::invalid_argument);
  auto command = question("params", routes.at("mock"));
  command.set_params_json("nonsense");
  auto r = start(command);
  REQUIRE(eventually([&] { return r.over(); }));
  CHECK(r.events().back().failed().failure().code() == "invalid_argument");
  std::vector<run> running;
  for (int i = 0; i < 100; ++i)
    running.push_back(start(question("s" + std::to_string(i), routes.at("fault-silent"))));
  CHECK(info(start(question("one-more", routes.at("mock"))).refused).code == ec::overloaded);
}

TEST_CASE_FIXTURE(completion_fixture, "the demo answers in process, with exact usage") {
  serve_completions();
  auto r = start(question("demo", route_to({{"demo", "demo"}})));
  REQUIRE(eventually([&] { return r.over(); }));
  CHECK(r.text().find("demo built into Troupe") != std::string::npos);
  CHECK(r.text().find("one two three") != std::string::npos);
  auto end = r.events().back().finished();
  CHECK(end.finish_reason() == "stop");
  CHECK(end.usage().prompt_tokens() == 3);
  CHECK(end.usage().completion_tokens() > 20);
  CHECK(!end.usage().estimated());
  CHECK(r.log->messages == 1);
}

TEST_CASE_FIXTURE(completion_fixture, "the demo keeps its pace, and stops when told to") {
  serve_completions({}, "demo://?tokens_per_s=200&tokens=20");
  auto began = std::chrono::steady_clock::now();
  auto r = start(question("demo", route_to({{"demo", "demo"}})));
  REQUIRE(eventually([&] { return r.over(); }));
  CHECK(std::chrono::steady_clock::now() - began >= 90ms);
  CHECK(r.events().back().finished().usage().completion_tokens() == 20);
  CHECK(r.log->messages > 5);
}

TEST_CASE_FIXTURE(completion_fixture,
                  "the demo serves /v1 as well, streamed, whole and as fallback") {
  routes["demo"] = route_to({{"demo", "demo"}});
  routes["to-demo"] = route_to({{"main", "fault-503"}, {"demo", "demo"}});
  serve_completions();
  auto whole = chat("demo", false);
  CHECK(whole.status == 200);
  auto text = whole.json()["choices"][0]["message"]["content"].get<std::string>();
  CHECK(text.find("demo built into Troupe") != std::string::npos);
  auto streamed = chat("demo", true);
  CHECK(streamed.done());
  CHECK(streamed.text() == text);
  CHECK(record(0).usage().total_tokens() == record(1).usage().total_tokens());
  CHECK(!record(1).usage().estimated());
  CHECK(chat("to-demo", true).headers["x-upstream"] == "demo");
  CHECK(post("/v1/embeddings", R"({"model":"demo","input":"x"})").json()["data"].size() == 1);
  CHECK(post("/v1/chat/completions", R"({"model":"demo"})").status == 400);
}
