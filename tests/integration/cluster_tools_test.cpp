// Counting tokens at the node that has the time for it, on real nodes.
#include "tests/support/mock_process.hpp"
#include "tests/support/role_nodes.hpp"
#include "tests/support/script_server.hpp"

#include <doctest/doctest.h>

#include <atomic>
#include <functional>
#include <thread>

using namespace troupe;
using namespace troupe::test;
using namespace std::chrono_literals;

namespace {

// What a message has in bytes does not fit the window for sure: it is counted.
const std::string counting = "log: {access: false}\n"
                             "session: {context_tokens_max: 200000}\n"
                             "models: [{name: \"*\", context_window_tokens: 200000}]\n"
                             "upstreams: [{name: demo, dialect: demo, base_url: "
                             "\"demo://?tokens_per_s=0&tokens=5\"}]\n";
const std::string always_busy = "tools: {local_requests_max: 1, local_bytes_max: 1}\n";
constexpr int long_bytes = 400'000;

std::string long_text() {
  std::string out;
  while (out.size() < long_bytes)
    out += "some words of a long message ";
  return out;
}

/// Posts a long message in each of so many conversations at once; how many were answered.
int answered(role_nodes& nodes, const std::string& at, int count,
             const std::function<void()>& meanwhile = {}) {
  std::atomic<int> good{0};
  std::vector<std::thread> clients;
  for (int i = 0; i < count; ++i)
    clients.emplace_back([&] {
      auto http = nodes.client(at);
      auto id = http->post("/api/v1/conversations", nlohmann::json::object()).body.value("id", "");
      auto answer =
          http->post("/api/v1/conversations/" + id + "/messages", {{"content", long_text()}});
      if (answer.status == 200)
        ++good;
      else
        MESSAGE(answer.status << " " << answer.body.dump());
    });
  if (meanwhile)
    meanwhile();
  for (auto& client : clients)
    client.join();
  return good;
}

} // namespace

TEST_CASE("a node with `tools` does the counting of one without it") {
  role_nodes nodes{counting};
  nodes.start("a", "gateway, session");
  CHECK(answered(nodes, "a", 1) == 1); // there is nobody else yet: it is not refused
  CHECK(nodes.metric("a", "troupe_tool_calls_total", {R"(node="a")", R"(outcome="done")"}) == 1);
  nodes.start("b", "tools");
  REQUIRE(nodes.settled());
  CHECK(answered(nodes, "a", 4) == 4);
  CHECK(nodes.metric("a", "troupe_tool_calls_total", {R"(node="a")", R"(outcome="done")"}) == 1);
  CHECK(nodes.metric("a", "troupe_tool_calls_total", {R"(node="b")", R"(outcome="done")"}) == 4);
  CHECK(nodes.metric("b", "troupe_tool_served_total", {R"(outcome="taken")"}) == 4);
  auto tools = nodes.ops("a", "/ops/v1/node")["tools"];
  CHECK(tools["serves"] == false);
  CHECK(tools["kinds"]["tokenizer"]["nodes"]["b"]["done"] == 4);
  CHECK(tools["here"]["requests"] == 0);
}

TEST_CASE("a `tools` node takes counting off a busy one") {
  role_nodes nodes{counting};
  nodes.start("a", "gateway, session, tools", {.sections = always_busy});
  nodes.start("b", "tools");
  nodes.start("c", "tools");
  REQUIRE(nodes.settled());
  auto done = [&](const std::string& node) {
    return nodes.metric("a", "troupe_tool_calls_total",
                        {"node=\"" + node + "\"", R"(outcome="done")"});
  };
  // One at a time nobody is busy: a machine that serves so needs another round.
  constexpr int a_round = 12, rounds_max = 50;
  int all = 0;
  while (all < a_round * rounds_max && (done("b") == 0 || done("c") == 0)) {
    REQUIRE(answered(nodes, "a", a_round) == a_round);
    all += a_round;
  }
  MESSAGE("of " << all << ": here " << done("a") << ", b " << done("b") << ", c " << done("c"));
  CHECK(done("a") + done("b") + done("c") == all);
  CHECK(done("a") >= 1); // here first
  CHECK(done("b") >= 1);
  CHECK(done("c") >= 1);
  CHECK(nodes.metric("a", "troupe_tool_in_flight") == 0);
}

TEST_CASE("a `tools` node that dies while it counts costs nobody an answer") {
  role_nodes nodes{counting};
  nodes.start("a", "gateway, session");
  nodes.start("b", "tools");
  REQUIRE(nodes.settled());
  constexpr int all = 8;
  auto good = answered(nodes, "a", all, [&] {
    CHECK(eventually([&] {
      return nodes.metric("a", "troupe_tool_calls_total", {R"(node="b")", R"(outcome="done")"}) > 0
             || nodes.metric("a", "troupe_tool_in_flight", {R"(node="b")"}) > 0;
    }));
    nodes.kill("b");
  });
  CHECK(good == all);
  CHECK(nodes.metric("a", "troupe_tool_in_flight") == 0);
}

TEST_CASE("usage that an upstream does not tell is counted at a `tools` node as well") {
  temp_dir dir;
  mock_process mock{dir, {}};
  role_nodes nodes{"log: {access: false}\nupstreams: [{name: mock, models: [\"fault-no-usage\"], "
                   "allow_private: true, base_url: \""
                   + mock.url() + "\"}]\n"};
  nodes.start("a", "gateway, session");
  nodes.start("b", "tools");
  REQUIRE(nodes.settled());
  auto http = nodes.client("a");
  nlohmann::json body{{"model", "fault-no-usage"},
                      {"messages", {{{"role", "user"}, {"content", long_text()}}}}};
  auto answer = http->post("/v1/chat/completions", body);
  REQUIRE(answer.status == 200);
  CHECK(eventually([&] {
    return nodes.metric("a", "troupe_tool_calls_total", {R"(node="b")", R"(outcome="done")"}) == 1;
  }));
}
