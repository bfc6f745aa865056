// QQ through OneBot, and a node that dies: one answer a message, to whom it belongs.
#include "persistence/soci/sqlite.hpp"
#include "tests/support/echo_upstream.hpp"
#include "tests/support/onebot_peer.hpp"
#include "tests/support/process.hpp"

#include <doctest/doctest.h>

#include <thread>

using namespace troupe;
using namespace std::chrono_literals;
using test::eventually;

namespace {

constexpr auto patience = 30s;
constexpr std::int64_t ada = 42;
constexpr std::int64_t bob = 43;

struct stage {
  stage() {
    config =
        echo.yaml() + "channels:\n  onebot:\n    - account: qq\n      trigger_prefixes: [\"#\"]\n";
    start();
  }

  void start() {
    node.emplace(dir, config);
    peer.configure([&](test::onebot_peer_options& options) { options.port = node->port(); });
  }

  void connect() { REQUIRE(peer.dial_until(patience)); }

  void kill_and_start() {
    node->child().kill();
    REQUIRE(peer.wait_closed(patience));
    start();
  }

  /// A turn that ended has one line in the ledger.
  bool wait_answers(std::int64_t count) {
    auto db = persistence::open_sqlite(dir.path() + "/data/troupe.db", persistence::access::read);
    return eventually([&] { return db->ledger().sum({}).count >= count; }, patience);
  }

  test::temp_dir dir;
  test::echo_upstream echo;
  std::string config;
  std::optional<test::troupe_node> node;
  test::onebot_peer peer{{}};
};

} // namespace

TEST_CASE("the same message id gets one answer, however often it comes, also after a kill") {
  stage s;
  s.connect();
  s.peer.say_in_private(ada, "hello", 7001);
  s.peer.say_in_private(ada, "hello", 7001);
  REQUIRE(s.peer.wait_said(1, patience));
  s.kill_and_start();
  s.connect();
  s.peer.say_in_private(ada, "hello", 7001);
  // A chat's messages are handled in order: the answer to this one comes after any to the above.
  s.peer.say_in_private(ada, "and now", 7002);
  REQUIRE(s.peer.wait_said(2, patience));
  CHECK(s.peer.said() == std::vector<std::string>{"[hello]", "[hello][and now]"});
  CHECK(s.echo.asked() == 2);
}

TEST_CASE("an answer made while the peer was away survives a kill and is delivered once") {
  stage s;
  s.connect();
  s.echo.hold();
  s.peer.say_in_private(ada, "are you there", 7001);
  REQUIRE(s.echo.wait_asked(1, patience));
  s.peer.hang_up();
  s.echo.release();
  REQUIRE(s.wait_answers(1));
  CHECK(s.peer.said().empty());
  s.kill_and_start();
  s.connect();
  REQUIRE(s.peer.wait_said(1, patience));
  s.peer.say_in_private(ada, "next", 7002);
  REQUIRE(s.peer.wait_said(2, patience));
  CHECK(s.peer.said() == std::vector<std::string>{"[are you there]", "[are you there][next]"});
  CHECK(s.echo.asked() == 2); // the answer that was stored was not made again
}

TEST_CASE("a message whose answer was being made when the node died is answered once") {
  stage s;
  s.connect();
  s.echo.hold();
  s.peer.say_in_private(ada, "slowly", 7001);
  REQUIRE(s.echo.wait_asked(1, patience));
  s.kill_and_start();
  REQUIRE(s.echo.wait_asked(2, patience)); // taken up again, though no peer is there yet
  s.echo.release();
  s.connect();
  s.peer.say_in_private(ada, "slowly", 7001);
  REQUIRE(s.peer.wait_said(1, patience));
  s.peer.say_in_private(ada, "next", 7002);
  REQUIRE(s.peer.wait_said(2, patience));
  CHECK(s.peer.said() == std::vector<std::string>{"[slowly]", "[slowly][next]"});
}

TEST_CASE("answers are delivered once over several kills, each in its chat's order") {
  stage s;
  std::size_t sent = 0;
  for (int round = 0; round < 4; ++round) {
    s.connect();
    for (int i = 0; i < 3; ++i)
      s.peer.say_in_private(ada + i, "message " + std::to_string(round), 8000 + round * 10 + i);
    sent += 3;
    REQUIRE(s.peer.wait_said(sent, patience));
    s.peer.hang_up();
    s.node->child().kill();
    s.start();
  }
  s.connect();
  // A chat's answers are sent in order: after these nothing of before can come.
  for (int i = 0; i < 3; ++i)
    s.peer.say_in_private(ada + i, "last", 9000 + i);
  REQUIRE(s.peer.wait_said(sent + 3, patience));
  CHECK(s.peer.said().size() == sent + 3);
}

TEST_CASE("the contexts of two members of a group stay apart, also after a kill") {
  stage s;
  s.connect();
  s.peer.say_in_group(900, ada, "#I am Ada", 7001);
  REQUIRE(s.peer.wait_said(1, patience));
  s.peer.say_in_group(900, bob, "#I am Bob", 7002);
  REQUIRE(s.peer.wait_said(2, patience));
  s.kill_and_start();
  s.connect();
  s.peer.say_in_group(900, ada, "#who am I", 7003);
  REQUIRE(s.peer.wait_said(3, patience));
  s.peer.say_in_group(900, bob, "#who am I", 7004);
  REQUIRE(s.peer.wait_said(4, patience));
  auto said = s.peer.said();
  REQUIRE(said.size() == 4);
  auto holds = [&](std::size_t i, const char* text) {
    return said[i].find(text) != std::string::npos;
  };
  CHECK(holds(0, "I am Ada"));
  CHECK(holds(1, "I am Bob"));
  CHECK(!holds(1, "Ada"));
  CHECK(holds(2, "I am Ada"));
  CHECK(!holds(2, "Bob"));
  CHECK(holds(3, "I am Bob"));
  CHECK(!holds(3, "Ada"));
}
