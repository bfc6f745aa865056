// One upstream fails, another is configured: what is tried again, where, and when.
#include "tests/support/upstream_fixture.hpp"

#include <doctest/doctest.h>

using namespace troupe;
using namespace troupe::gateway;
using namespace troupe::test;
using namespace std::chrono_literals;
using clock_type = std::chrono::steady_clock;

namespace {

const auto main_then_backup = route_to({{"main", "m1"}, {"backup", "m2"}});

/// `main` does what a test says with each request; `backup` answers.
struct failover_fixture : upstream_fixture {
  using answer_script = std::function<void(peer&, int request)>;

  answer_script what;
  std::mutex mutex;
  std::vector<clock_type::time_point> at;
  std::atomic<int> backup_asked{0};
  script_server main{[this](peer& one) {
    while (!one.read_request().empty()) {
      int number = 0;
      {
        std::lock_guard guard{mutex};
        at.push_back(clock_type::now());
        number = static_cast<int>(at.size());
      }
      what(one, number);
    }
  }};
  script_server backup{[this](peer& one) {
    while (!one.read_request().empty()) {
      ++backup_asked;
      one.answer(200, "{\"from\":\"backup\"}");
    }
  }};

  void serve_both(std::function<void(config::upstream_section&)> change = {}) {
    auto s = section("main", main.url());
    if (change)
      change(s);
    serve({s, section("backup", backup.url())});
  }
  int asked() {
    std::lock_guard guard{mutex};
    return static_cast<int>(at.size());
  }
};

} // namespace

TEST_CASE_FIXTURE(failover_fixture, "429 with Retry-After is retried after it, there") {
  what = [](peer& one, int request) {
    if (request == 1)
      one.answer(429, "{}", "Retry-After: 1\r\n");
    else
      one.answer(200, "{\"from\":\"main\"}");
  };
  serve_both();
  auto r = call(main_then_backup);
  CHECK(r.body == "{\"from\":\"main\"}");
  REQUIRE(asked() == 2);
  CHECK(at[1] - at[0] >= 1s);
  CHECK(at[1] - at[0] < 3s);
  CHECK(backup_asked == 0);
  REQUIRE(eventually([&] { return log->all_outcomes().size() == 2; }));
  auto outcomes = log->all_outcomes();
  CHECK(outcomes[0]->http_status() == 429);
  CHECK(!outcomes[0]->ok());
  CHECK(outcomes[0]->retry_after_ms() == 1'000);
  CHECK(outcomes[1]->ok());
}

TEST_CASE_FIXTURE(failover_fixture, "429 for ever fails over after few attempts") {
  what = [](peer& one, int) { one.answer(429, "{\"error\":{\"message\":\"slow down\"}}"); };
  serve_both([](auto& s) { s.retries_max = 3; });
  auto r = call(main_then_backup);
  CHECK(r.body == "{\"from\":\"backup\"}");
  CHECK(r.deployment == "backup");
  CHECK(r.model == "m2");
  CHECK(asked() == 4);
  r = call(route_to({{"main", "m1"}}));
  CHECK(r.status == 429);
  CHECK(r.body.find("slow down") != std::string::npos);
}

TEST_CASE_FIXTURE(failover_fixture, "a used-up quota is not retried where it is used up") {
  what = [](peer& one, int) {
    one.answer(429, "{\"error\":{\"code\":\"insufficient_quota\",\"message\":\"pay\"}}");
  };
  serve_both();
  CHECK(call(main_then_backup).deployment == "backup");
  CHECK(asked() == 1);
}

TEST_CASE_FIXTURE(failover_fixture, "one 500 is retried once on the same upstream") {
  what = [](peer& one, int request) {
    one.answer(request == 1 ? 500 : 200, "{\"from\":\"main\"}");
  };
  serve_both();
  auto r = call(main_then_backup);
  CHECK(r.status == 200);
  CHECK(r.deployment == "main");
  CHECK(asked() == 2);
  CHECK(backup_asked == 0);
}

TEST_CASE_FIXTURE(failover_fixture, "503 for ever fails over, and shows when nobody is left") {
  what = [](peer& one, int) { one.answer(503, "{\"error\":{\"message\":\"maintenance\"}}"); };
  serve_both();
  CHECK(call(main_then_backup).deployment == "backup");
  CHECK(asked() == 2);
  auto r = call(route_to({{"main", "m1"}}));
  CHECK(r.status == 503);
  CHECK(r.body.find("maintenance") != std::string::npos);
}

TEST_CASE_FIXTURE(failover_fixture, "a reset before the head is answered by another try") {
  what = [](peer& one, int request) {
    if (request == 1)
      one.reset();
    else
      one.answer(200, "{\"from\":\"main\"}");
  };
  serve_both();
  CHECK(call(main_then_backup).status == 200);
  CHECK(asked() == 2);
}

TEST_CASE_FIXTURE(failover_fixture, "a silent upstream is left at its limit and not tried again") {
  what = [](peer& one, int) { one.wait_closed(10s); };
  serve_both([](auto& s) { s.first_byte_limit_ms = 150; });
  auto r = call(main_then_backup);
  CHECK(r.deployment == "backup");
  CHECK(r.took >= 150ms);
  CHECK(r.took < 2s);
  CHECK(asked() == 1);
}

TEST_CASE_FIXTURE(failover_fixture, "a stream has answered with its first event, not its head") {
  what = [](peer& one, int) {
    one.write(
        "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\n: wait\n\n: wait\n\ndata:");
    one.wait_closed(10s);
  };
  serve_both([](auto& s) { s.first_byte_limit_ms = 150; });
  auto r = call(main_then_backup);
  CHECK(r.deployment == "backup");
  CHECK(r.took < 2s);
  CHECK(asked() == 1);
}

TEST_CASE_FIXTURE(failover_fixture, "a stream that begins with an error has not answered") {
  what = [](peer& one, int) {
    one.write("HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nConnection: close\r\n\r\n"
              "data: {\"error\": {\"message\":\"no GPU\"}}\n\n");
    one.reset();
  };
  serve_both();
  CHECK(call(main_then_backup).deployment == "backup");
  auto r = call(route_to({{"main", "m1"}}));
  CHECK(r.status == 502);
  CHECK(r.body.find("no GPU") != std::string::npos);
}

TEST_CASE_FIXTURE(failover_fixture, "what is wrong with the request itself is not retried") {
  what = [](peer& one, int) {
    one.answer(400, "{\"error\":{\"code\":\"context_length_exceeded\"}}");
  };
  serve_both();
  auto r = call(main_then_backup);
  CHECK(r.status == 400);
  CHECK(r.body.find("context_length_exceeded") != std::string::npos);
  CHECK(asked() == 1);
  CHECK(backup_asked == 0);
  CHECK(eventually([&] { return log->all_outcomes().size() == 1; }));
  CHECK(log->all_outcomes()[0]->ok()); // no fault of the upstream
}

TEST_CASE_FIXTURE(failover_fixture, "what only a fallback refuses is not shown") {
  script_server refusing{[](peer& one) {
    while (!one.read_request().empty())
      one.answer(400, "{\"error\":{\"message\":\"no prefill here\"}}");
  }};
  what = [](peer& one, int) { one.answer(503, "{\"error\":{\"message\":\"maintenance\"}}"); };
  serve({section("main", main.url()), section("refusing", refusing.url()),
         section("backup", backup.url())});
  auto r = call(route_to({{"main", "a"}, {"refusing", "b"}, {"backup", "c"}}));
  CHECK(r.deployment == "backup");
  r = call(route_to({{"main", "a"}, {"refusing", "b"}}));
  CHECK(r.status == 503);
  CHECK(r.body.find("prefill") == std::string::npos);
}

TEST_CASE_FIXTURE(failover_fixture, "a wrong key and an unknown model lead to the next upstream") {
  for (int status : {401, 403, 404, 402}) {
    CAPTURE(status);
    what = [status](peer& one, int) { one.answer(status, "{\"error\":{\"message\":\"no\"}}"); };
    serve_both();
    auto before = asked();
    CHECK(call(main_then_backup).deployment == "backup");
    CHECK(asked() == before + 1);
  }
}

TEST_CASE_FIXTURE(failover_fixture, "an upstream that redirects is reported, not followed") {
  what = [](peer& one, int) { one.answer(301, "", "Location: https://elsewhere.example/v1\r\n"); };
  serve_both();
  CHECK(call(main_then_backup).deployment == "backup");
  auto r = call(route_to({{"main", "m1"}}));
  CHECK(r.error == ec::upstream_unavailable);
  CHECK(r.text.find("https://elsewhere.example/v1") != std::string::npos);
}

TEST_CASE_FIXTURE(failover_fixture, "no call makes more than six attempts") {
  what = [](peer& one, int) { one.answer(500, "{}"); };
  serve_both([](auto& s) { s.retries_max = 100; });
  CHECK(call(main_then_backup).status == 500);
  CHECK(asked() == 6);
}

TEST_CASE_FIXTURE(failover_fixture, "a cancelled call is not tried anywhere") {
  what = [](peer& one, int) { one.answer(429, "{}", "Retry-After: 4\r\n"); };
  serve_both();
  auto stop = std::make_shared<cancellation>();
  auto running = begin(main_then_backup, stop);
  REQUIRE(eventually([&] { return asked() == 1; }));
  on_shard([&] { stop->cancel(); });
  auto r = running.get();
  CHECK(r.error == ec::cancelled);
  CHECK(r.took < 3s);
  CHECK(backup_asked == 0);
}

TEST_CASE_FIXTURE(failover_fixture, "retries on a failing upstream end when its budget is used") {
  what = [](peer& one, int) { one.answer(503, "{}"); };
  serve_both([](auto& s) { s.retries_max = 1; });
  for (int i = 0; i < 100; ++i)
    REQUIRE(call(main_then_backup).deployment == "backup");
  CHECK(asked() >= 110);
  CHECK(asked() <= 125);
}
