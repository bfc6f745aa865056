// Links that fall silent, break, and come back (traps 1 to 7 of CAF's own links).
#include "tests/support/fault_gate.hpp"
#include "tests/support/link_node.hpp"
#include "tests/support/link_stranger.hpp"
#include "tests/support/script_server.hpp"

#include <doctest/doctest.h>

using namespace troupe;
using namespace troupe::test;
using namespace std::chrono_literals;
using steady = std::chrono::steady_clock;

namespace {

/// Never answers, and keeps the promises until the test ends.
struct silent_service {
  std::shared_ptr<link_news> news = std::make_shared<link_news>();
  link_service call() {
    return [n = news](const RemoteRequest& x, const turn_sink_actor&) -> caf::result<RemoteAnswer> {
      n->with([&](auto& all) { all.requests.push_back(x); });
      return caf::typed_response_promise<RemoteAnswer>{};
    };
  }
  std::size_t asked() {
    return news->with([](auto& all) { return all.requests.size(); });
  }
};

/// a dials b through a gate.
struct gated_pair {
  explicit gated_pair(link_service service = {}) : b{"b", quick_links(), {}, std::move(service)} {
    auto through = b.row();
    through.set_address(gate.address());
    a.view({a.row(), through});
    b.view({a.row(), b.row()});
    REQUIRE(a.linked("b"));
    REQUIRE(b.linked("a"));
  }
  link_node a{"a"};
  link_node b;
  fault_gate gate{b.address()};
};

bool lost(link_node& node, std::size_t times = 1) {
  return eventually(
      [&] { return node.news().with([&](auto& n) { return n.lost.size(); }) >= times; }, 5s);
}

} // namespace

TEST_CASE("a peer that hangs is noticed within the limit, whichever way is blocked (CAF: never)") {
  for (auto way : {direction::inward, direction::outward}) {
    gated_pair pair;
    gate_fault stalled;
    stalled.stall = true;
    auto start = steady::now();
    pair.gate.set(way, stalled);
    CHECK(lost(pair.a));
    CHECK(lost(pair.b));
    auto took = steady::now() - start;
    CHECK(took > 800ms);
    CHECK(took < 3s);
    pair.a.news().with([](auto& n) {
      CHECK(n.lost.size() == 1);
      CHECK(n.unlinked.size() == 1);
      CHECK(n.lost[0]->name() == "b");
      CHECK(n.lost[0]->incarnation() == 1);
    });
  }
}

TEST_CASE("the membership hears of a peer with each of its beats, with the way's time") {
  gated_pair pair;
  auto count = [&] { return pair.a.news().with([](auto& n) { return n.seen.size(); }); };
  auto before = count();
  CHECK(eventually([&] { return count() >= before + 5; }, 2s));
  pair.a.news().with([](auto& n) {
    CHECK(n.seen.back()->name() == "b");
    CHECK(n.seen.back()->round_trip_us() > 0);
    CHECK(n.seen.back()->round_trip_us() < 400'000);
  });
}

TEST_CASE("every request in flight is answered when the link breaks (CAF: none without a limit)") {
  silent_service silent;
  gated_pair pair{silent.call()};
  caf::scoped_actor self{pair.a.system()};
  auto request = get_request("one");
  request.set_limit_ms(60'000);
  constexpr std::size_t many = 100;
  auto ask = [&] {
    return self->request(pair.a.handle("b"), caf::infinite, RemoteRequest{request});
  };
  std::vector<decltype(ask())> asked;
  for (std::size_t i = 0; i < many; ++i)
    asked.push_back(ask());
  REQUIRE(eventually([&] { return silent.asked() == many; }));
  pair.gate.cut();
  auto start = steady::now();
  for (auto& one : asked)
    one.receive([](const RemoteAnswer&) { FAIL("nobody answered"); },
                [](caf::error& err) {
                  CHECK(info(err).code == ec::not_owner);
                  CHECK(info(err).retryable);
                  CHECK(describe(err).find("broke while get was asked") != std::string::npos);
                });
  CHECK(steady::now() - start < 2s);
}

TEST_CASE("a request that is not answered in time fails at its limit, and a late answer finds "
          "nobody") {
  link_node a{"a"};
  link_stranger b{a.port()};
  REQUIRE(b.agree(link_hello("b")));
  REQUIRE(a.linked("b"));
  caf::scoped_actor self{a.system()};
  auto request = get_request("one");
  request.set_limit_ms(50);
  auto start = steady::now();
  auto asked = self->request(a.handle("b"), 10s, RemoteRequest{request});
  auto frame = b.read_past_beats();
  REQUIRE(frame);
  REQUIRE(frame->has_request());
  CHECK(frame->request().limit_ms() == 50);
  CHECK(frame->request().get().conversation_id() == "one");
  ec code = ec::none;
  asked.receive([](const RemoteAnswer&) {}, [&](caf::error& e) { code = info(e).code; });
  CHECK(code == ec::deadline_exceeded);
  CHECK(steady::now() - start >= 50ms);
  CHECK(steady::now() - start < 2s);
  // Late; then another request, whose answer must be its own.
  v1::LinkFrame late;
  late.mutable_answer()->set_id(frame->request().id());
  late.mutable_answer()->mutable_conversation()->set_id("late");
  b.send(late);
  auto next = self->request(a.handle("b"), 10s, RemoteRequest{get_request("two")});
  frame = b.read_past_beats();
  REQUIRE(frame);
  REQUIRE(frame->has_request());
  v1::LinkFrame right;
  right.mutable_answer()->set_id(frame->request().id());
  right.mutable_answer()->mutable_conversation()->set_id("right");
  b.send(right);
  std::string got;
  next.receive([&](const RemoteAnswer& x) { got = x->conversation().id(); },
               [&](caf::error& e) { got = describe(e); });
  CHECK(got == "right");
}

TEST_CASE("a link that comes back has a new handle, and the old one says so at once (CAF's is "
          "equal and dead)") {
  gated_pair pair;
  auto old = pair.a.handle("b");
  auto old_of_b = pair.b.handle("a");
  pair.gate.cut();
  REQUIRE(lost(pair.a));
  REQUIRE(lost(pair.b));
  CHECK(eventually([&] { return pair.a.handle("b") != old && pair.b.handle("a") != old_of_b; }));
  CHECK(pair.a.peers().find("b") == pair.a.handle("b"));
  auto start = steady::now();
  auto got = pair.a.ask(old, get_request("one"));
  REQUIRE(!got);
  CHECK(info(got.error()).code == ec::not_owner);
  got = pair.b.ask(old_of_b, get_request("one"));
  CHECK(info(got.error()).code == ec::not_owner);
  CHECK(steady::now() - start < 1s);
  CHECK(pair.a.ask(pair.a.handle("b"), get_request("one")));
  CHECK(pair.b.ask(pair.b.handle("a"), get_request("one")));
}

TEST_CASE("peers of links that are gone leave nothing behind (CAF's registry keeps them)") {
  gated_pair pair;
  for (std::size_t i = 1; i <= 5; ++i) {
    pair.gate.cut();
    CHECK(lost(pair.a, i));
    CHECK(eventually(
        [&] { return pair.a.news().with([](auto& n) { return n.linked.size(); }) == i + 1; }));
  }
  CHECK(pair.a.live("peer") == 6);
  pair.a.forget_old_handles();
  CHECK(eventually([&] { return pair.a.live("peer") == 1; }));
}

TEST_CASE("a peer that does not answer the dial delays no other (CAF: all of them, up to 127 s)") {
  // A listener whose queue is full: the handshake of one more never ends.
  asio::io_context io;
  asio::ip::tcp::acceptor full{io};
  full.open(asio::ip::tcp::v4());
  full.bind({asio::ip::address_v4::loopback(), 0});
  full.listen(0);
  std::vector<std::unique_ptr<asio::ip::tcp::socket>> waiting;
  for (int i = 0; i < 4; ++i) {
    waiting.push_back(std::make_unique<asio::ip::tcp::socket>(io));
    waiting.back()->async_connect(full.local_endpoint(), [](boost::system::error_code) {});
  }
  io.poll();
  link_node a{"a"};
  link_node c{"c"};
  auto hole = a.row();
  hole.set_name("b");
  hole.set_address("127.0.0.1:" + std::to_string(full.local_endpoint().port()));
  auto start = steady::now();
  a.view({a.row(), hole, c.row()});
  CHECK(a.linked("c"));
  CHECK(steady::now() - start < 250ms); // before the dial to b is given up
  CHECK(a.ask(a.handle("c"), get_request("one")));
  CHECK(eventually([&] {
    return a.state("b")->error().find("connecting took longer than 300 ms") != std::string::npos;
  }));
  CHECK(a.ask(a.handle("c"), get_request("one")));
  CHECK(a.probe().links_lost == 0);
}

TEST_CASE("a peer that refuses connections is dialled again, with pauses, until it is there") {
  link_node a{"a"};
  link_node b{"b"};
  fault_gate gate{b.address()};
  gate.refuse(true);
  auto through = b.row();
  through.set_address(gate.address());
  auto start = steady::now();
  a.view({a.row(), through});
  CHECK(eventually([&] { return gate.refused() >= 5; }));
  CHECK(steady::now() - start > 100ms);
  gate.refuse(false);
  CHECK(a.linked("b"));
}

TEST_CASE("frames that come in the smallest pieces, and late, are frames all the same") {
  gated_pair pair;
  gate_fault thin;
  thin.slice_bytes = 1;
  thin.delay = 1ms;
  pair.gate.set(direction::inward, thin);
  pair.gate.set(direction::outward, thin);
  for (int i = 0; i < 20; ++i) {
    auto got = pair.a.ask(pair.a.handle("b"), get_request(std::string(300, 'x')));
    REQUIRE(got);
    CHECK((*got)->conversation().id().size() == 300);
  }
  CHECK(pair.a.probe().links_lost == 0);
}

TEST_CASE("a link cut in the middle of a frame breaks cleanly, and comes back") {
  gated_pair pair;
  gate_fault half;
  half.truncate_at = pair.gate.passed(direction::inward) + 500;
  pair.gate.set(direction::inward, half);
  auto got = pair.a.ask(pair.a.handle("b"), get_request(std::string(5'000, 'x')));
  REQUIRE(!got);
  CHECK(info(got.error()).code == ec::not_owner);
  pair.gate.heal();
  CHECK(pair.a.linked("b"));
}

TEST_CASE("links end within their time though a peer hangs and another is being dialled") {
  gated_pair pair;
  gate_fault stalled;
  stalled.stall = true;
  pair.gate.set(direction::inward, stalled);
  pair.gate.set(direction::outward, stalled);
  auto hole = pair.a.row();
  hole.set_name("z");
  hole.set_address(pair.gate.address());
  auto start = steady::now();
  pair.a.view({pair.a.row(), pair.b.row(), hole});
  CHECK(pair.a.stop());
  CHECK(steady::now() - start < 1s);
}
