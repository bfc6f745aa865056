// SIGTERM and SIGHUP while there is work: an orderly end in bounded time, and nothing lost by it.
#include "tests/support/chat_load.hpp"
#include "tests/support/echo_upstream.hpp"
#include "tests/support/mock_process.hpp"
#include "tests/support/process.hpp"

#include <doctest/doctest.h>

#include <csignal>
#include <thread>

using namespace troupe;
using namespace std::chrono_literals;
using nlohmann::json;
using steady = std::chrono::steady_clock;
using test::eventually;

namespace {

/// Signals the node and waits for its end; how long it took, and its exit code.
std::pair<std::chrono::milliseconds, std::optional<int>>
stop(test::troupe_node& node, std::initializer_list<int> signals,
     std::chrono::milliseconds limit = 60s) {
  auto began = steady::now();
  for (int number : signals)
    node.child().signal(number);
  auto status = node.child().wait(limit);
  return {std::chrono::duration_cast<std::chrono::milliseconds>(steady::now() - began), status};
}

void check_log(const test::load_log& log) {
  for (const auto& list : {log.lost(), log.doubled(), log.odd()})
    for (std::size_t i = 0; i < list.size() && i < 10; ++i)
      MESSAGE(list[i]);
  CHECK(log.lost().empty());
  CHECK(log.doubled().empty());
  CHECK(log.odd().empty());
}

/// A node with a held answer: a turn that does not end by itself.
struct held_turn {
  explicit held_turn(const std::string& more_config) : config(echo.yaml() + more_config) {
    start();
    test::api_client http{node->host(), node->port(), node->token()};
    conversation = http.post("/api/v1/conversations", json::object()).body.value("id", "");
    echo.hold();
    auto answer = http.post("/api/v1/conversations/" + conversation + "/messages?wait=false",
                            {{"content", "take your time"}});
    REQUIRE(answer.status == 202);
    turn = answer.body.value("turn_id", "");
    REQUIRE(echo.wait_asked(1, 20s));
  }

  void start() { node.emplace(dir, config); }

  /// Reads the turn to its end on a node that was started anew.
  std::string text_after_restart() {
    echo.release();
    start();
    test::api_client http{node->host(), node->port(), node->token()};
    test::load_log log;
    test::turn_reader reader{turn, log};
    http.stream("/api/v1/conversations/" + conversation + "/turns/" + turn + "/events", nullptr, {},
                [&](const test::api_event& event) {
                  reader.take(event);
                  return true;
                });
    check_log(log);
    CHECK(reader.ended());
    auto got = http.get("/api/v1/conversations/" + conversation + "/messages");
    auto messages = got.body.value("messages", json::array());
    REQUIRE(messages.size() == 2);
    return messages[1]["content"][0].value("text", "");
  }

  test::temp_dir dir;
  test::echo_upstream echo;
  std::string config;
  std::optional<test::troupe_node> node;
  std::string conversation;
  std::string turn;
};

} // namespace

TEST_CASE("SIGTERM under load exits with 0 in time and loses no acknowledged turn") {
  test::temp_dir dir;
  test::mock_process mock{dir, {"--latency-ms", "20", "--tokens", "40", "--tokens-per-s", "200"}};
  auto config = mock.yaml()
                + "node: {drain_limit_ms: 3000}\nlog: {access: false}\nsession: {queue_max: 32}\n";
  test::node_place place;
  test::load_log log;
  std::optional<test::troupe_node> node;
  node.emplace(dir, config);
  place.set(*node);
  test::chat_load_options options;
  options.model = "mock";
  {
    test::chat_load load{place, log, options};
    for (int i = 0; i < 3; ++i) {
      auto before = log.messages().size();
      REQUIRE(eventually([&] { return log.messages().size() > before + 40; }, 60s));
      place.clear();
      auto [took, status] = stop(*node, {SIGTERM});
      CHECK(status == 0);
      CHECK(took < 5s);
      MESSAGE("ended after " << took.count() << " ms");
      node.emplace(dir, config);
      place.set(*node);
    }
  }
  check_log(log);
  CHECK(log.failed_turns() == 0);
}

TEST_CASE("SIGTERM cuts a turn that takes too long, and the next start takes it up") {
  held_turn h{"node: {drain_limit_ms: 1000}\n"};
  auto [took, status] = stop(*h.node, {SIGTERM});
  CHECK(status == 0);
  CHECK(took >= 1s);
  CHECK(took < 3s);
  MESSAGE("ended after " << took.count() << " ms");
  CHECK(h.text_after_restart() == "[take your time]");
}

TEST_CASE("SIGTERM waits for a turn that ends in time") {
  held_turn h{"node: {drain_limit_ms: 20000}\n"};
  auto began = steady::now();
  h.node->child().signal(SIGTERM);
  REQUIRE(eventually([&] { return h.node->log().find("draining") != std::string::npos; }));
  h.echo.release();
  CHECK(h.node->child().wait(60s) == 0);
  CHECK(steady::now() - began < 10s);
  CHECK(h.text_after_restart() == "[take your time]");
  CHECK(h.echo.asked() == 1); // its answer was stored, not made again
}

TEST_CASE("a second SIGTERM does no harm") {
  held_turn h{"node: {drain_limit_ms: 1000}\n"};
  auto [took, status] = stop(*h.node, {SIGTERM, SIGTERM, SIGINT, SIGHUP});
  CHECK(status == 0);
  CHECK(took < 3s);
  CHECK(h.text_after_restart() == "[take your time]");
}

TEST_CASE("SIGHUP with a bad file says why and keeps the configuration that was in force") {
  test::temp_dir dir;
  std::string good = "log: {level: info}\n";
  test::troupe_node node{dir, good};
  test::api_client http{node.host(), node.port(), node.token()};
  auto logged = [&](const std::string& text) {
    return eventually([&] { return node.log().find(text) != std::string::npos; });
  };
  dir.write("troupe.yaml", "log: {level: debug}\nsession: {queue_max: plenty}\n");
  node.child().signal(SIGHUP);
  REQUIRE(logged("reload_refused"));
  CHECK(node.log().find("session.queue_max") != std::string::npos);
  CHECK(http.get("/readyz").status == 200);
  dir.write("troupe.yaml", "log: {level: [unclosed\n");
  node.child().signal(SIGHUP);
  REQUIRE(logged("troupe.yaml"));
  CHECK(http.get("/readyz").status == 200);
  // The level is news to a node that took nothing of the bad file.
  dir.write("troupe.yaml", "log: {level: debug}\n");
  node.child().signal(SIGHUP);
  REQUIRE(logged("reloaded"));
  auto log = node.log();
  CHECK(log.find("log.level", log.find("reloaded")) != std::string::npos);
  auto [took, status] = stop(node, {SIGTERM});
  CHECK(status == 0);
}
