// Links between nodes: who gets one.
#include "tests/support/link_node.hpp"
#include "tests/support/link_stranger.hpp"
#include "tests/support/process.hpp"
#include "tests/support/script_server.hpp"

#include <doctest/doctest.h>

using namespace troupe;
using namespace troupe::test;
using namespace std::chrono_literals;

namespace {

/// What the node answers to this hello, when it refuses it.
v1::Failure refusal_by(link_node& node, const v1::LinkFrame& hello) {
  link_stranger stranger{node.port()};
  stranger.send(hello);
  auto said = stranger.read();
  if (!said || !said->has_hello())
    return {};
  auto refused = stranger.read();
  CHECK(stranger.closed());
  return refused ? refused->refused().failure() : v1::Failure{};
}

} // namespace

TEST_CASE("two nodes that know of each other get a link, and ask each other over it") {
  link_node a{"a"};
  link_node b{"b"};
  REQUIRE(join(a, b));
  auto got = a.ask(a.handle("b"), get_request("one"));
  REQUIRE(got);
  CHECK((*got)->conversation().id() == "one");
  got = b.ask(b.handle("a"), get_request("two"));
  REQUIRE(got);
  CHECK((*got)->conversation().id() == "two");
  CHECK(a.probe().links_made == 1);
  CHECK(b.probe().links_made == 1);
  CHECK(a.peers().find("b") == a.handle("b"));
  a.news().with([](auto& n) {
    CHECK(n.linked.at(0)->incarnation() == 1);
    CHECK(n.looks == 0);
  });
}

TEST_CASE("who cannot be a peer is told why, counted, and never linked") {
  link_node a{"a"};
  auto dead = a.row();
  dead.set_name("dead");
  dead.set_incarnation(7);
  dead.set_state(v1::NODE_STATE_DEAD);
  auto newer = a.row();
  newer.set_name("newer");
  newer.set_incarnation(7);
  newer.set_address("");
  a.view({a.row(), dead, newer});
  REQUIRE(eventually([&] { return a.state("newer").has_value(); }));

  auto foreign = link_hello("b");
  foreign.mutable_hello()->set_cluster_id("another");
  CHECK(refusal_by(a, foreign).code() == "forbidden");
  auto old = link_hello("b");
  old.mutable_hello()->set_protocol(0);
  CHECK(refusal_by(a, old).code() == "unsupported");
  auto future = link_hello("b");
  future.mutable_hello()->set_protocol(9);
  future.mutable_hello()->set_protocol_min(2);
  CHECK(refusal_by(a, future).message().find("upgrade") != std::string::npos);
  CHECK(refusal_by(a, link_hello("a")).code() == "conflict");
  CHECK(refusal_by(a, link_hello("dead", 7)).code() == "fenced");
  CHECK(refusal_by(a, link_hello("newer", 6)).code() == "fenced");
  CHECK(refusal_by(a, link_hello("")).code() == "malformed_request");
  CHECK(refusal_by(a, link_hello("two\nlines")).code() == "malformed_request");
  CHECK(a.probe().strangers_refused == 8);
  CHECK(a.probe().links_made == 0);
  a.news().with([](auto& n) { CHECK(n.linked.empty()); });
}

TEST_CASE("an incarnation that the view does not know yet is linked, and the tables are read") {
  link_node a{"a"};
  link_stranger unknown{a.port()};
  REQUIRE(unknown.agree(link_hello("b", 2)));
  CHECK(a.linked("b"));
  CHECK(eventually([&] { return a.news().with([](auto& n) { return n.looks; }) == 1; }));
}

TEST_CASE("a link is up only once the other side agreed to it as well") {
  link_node a{"a"};
  link_stranger b{a.port()};
  b.send(link_hello("b"));
  auto hello = b.read();
  REQUIRE(hello);
  CHECK(hello->has_hello());
  auto beat = b.read();
  REQUIRE(beat);
  CHECK(beat->has_beat());
  CHECK(!a.handle("b"));
  v1::LinkFrame refused;
  refused.mutable_refused()->mutable_failure()->set_message("go away");
  b.send(refused);
  CHECK(b.closed());
  CHECK(a.probe().links_made == 0);
}

TEST_CASE("of two links of one incarnation the newer one stays") {
  link_node a{"a"};
  link_stranger first{a.port()};
  REQUIRE(first.agree(link_hello("b")));
  REQUIRE(a.linked("b"));
  auto old = a.handle("b");
  caf::scoped_actor self{a.system()};
  auto waiting = self->request(old, 10s, RemoteRequest{get_request("never")});
  link_stranger second{a.port()};
  REQUIRE(second.agree(link_hello("b")));
  CHECK(first.closed());
  ec code = ec::none;
  waiting.receive([](const RemoteAnswer&) {}, [&](caf::error& e) { code = info(e).code; });
  CHECK(code == ec::not_owner);
  CHECK(eventually([&] { return a.handle("b") != old; }));
  // The peer itself was not lost.
  a.news().with([](auto& n) {
    CHECK(n.lost.empty());
    CHECK(n.unlinked.empty());
  });
  CHECK(a.probe().links_lost == 1);
}

TEST_CASE("a newer incarnation takes the place of the older one, which is told as lost") {
  link_node a{"a"};
  link_stranger first{a.port()};
  REQUIRE(first.agree(link_hello("b", 1)));
  REQUIRE(a.linked("b"));
  link_stranger second{a.port()};
  REQUIRE(second.agree(link_hello("b", 2)));
  CHECK(first.closed());
  CHECK(eventually([&] {
    return a.news().with([](auto& n) {
      return n.lost.size() == 1 && n.lost[0]->incarnation() == 1 && n.linked.size() == 2
             && n.linked[1]->incarnation() == 2;
    });
  }));
  CHECK(refusal_by(a, link_hello("b", 1)).code() == "fenced");
}

TEST_CASE("who answers at an address as another node than was dialled gets no link") {
  link_node a{"a"};
  link_node c{"c"};
  auto wrong = c.row();
  wrong.set_name("b");
  a.view({a.row(), wrong});
  CHECK(eventually([&] {
    auto now = a.state("b");
    return now && now->error().find("c answered") != std::string::npos;
  }));
  CHECK(!a.handle("b"));
  CHECK(!c.handle("a"));
}

TEST_CASE("a listener that could be reached by others without TLS, or not at all, does not open") {
  auto text_of = [](const std::string& at, const link_tls& tls = {}) {
    auto opened = link_listener::open(at, tls, {});
    REQUIRE(!opened);
    CHECK(info(opened.error()).code == ec::config_invalid);
    return describe(opened.error());
  };
  CHECK(text_of("0.0.0.0:0").find("TLS") != std::string::npos);
  CHECK(text_of("somewhere").find("ADDRESS:PORT") != std::string::npos);
  CHECK(text_of("127.0.0.1:99999").find("ADDRESS:PORT") != std::string::npos);
  link_node a{"a"};
  CHECK(text_of(a.address()).find("in use") != std::string::npos);
  CHECK(text_of("127.0.0.1:0", {"/none", "/none", "/none"}).find("cluster.ca")
        != std::string::npos);
}

TEST_CASE("without TLS no other machine is dialled") {
  link_node a{"a"};
  auto far = a.row();
  far.set_name("b");
  far.set_address("192.0.2.1:7400");
  a.view({a.row(), far});
  CHECK(eventually([&] {
    auto now = a.state("b");
    return now && now->error().find("TLS") != std::string::npos;
  }));
}

TEST_CASE("views make links and end them: nodes that die, and this one joining anew") {
  link_node a{"a"};
  link_node b{"b"};
  REQUIRE(join(a, b));
  auto first = a.handle("b");
  auto anew = a.row();
  anew.set_incarnation(2);
  a.view({anew, b.row()});
  // The other one learns of it by the hello, before any view.
  CHECK(eventually([&] {
    return b.news().with([](auto& n) {
      return n.linked.back()->incarnation() == 2 && !n.lost.empty() && n.looks > 0;
    });
  }));
  CHECK(eventually([&] { return a.handle("b") != first; }));
  auto dead = b.row();
  dead.set_state(v1::NODE_STATE_DEAD);
  a.view({anew, dead});
  CHECK(eventually([&] { return !a.state("b").has_value(); }));
  CHECK(!a.peers().find("b"));
  CHECK(eventually([&] { return b.state("a") && !b.state("a")->up(); }));
}

TEST_CASE("a node that is no member any more has no links, until it joins again") {
  link_node a{"a"};
  link_node b{"b"};
  REQUIRE(join(a, b));
  a.view({});
  CHECK(eventually([&] { return !a.peers().find("b") && !a.state("b").has_value(); }));
  CHECK(eventually([&] { return b.news().with([](auto& n) { return n.lost.size(); }) == 1; }));
  REQUIRE(join(a, b));
  CHECK(a.probe().links_made == 2);
}
