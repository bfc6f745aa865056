// What goes over a link: events in order, and no more than the other side has room for.
#include "tests/support/link_node.hpp"
#include "tests/support/link_stranger.hpp"
#include "tests/support/script_server.hpp"

#include <doctest/doctest.h>

#include <condition_variable>

using namespace troupe;
using namespace troupe::test;
using namespace std::chrono_literals;

namespace {

/// What a sink was sent; shared with it.
struct reading {
  std::mutex mutex;
  std::vector<v1::TurnEvent> events;
  std::vector<v1::TurnEvent> all() {
    std::lock_guard guard{mutex};
    return events;
  }
  bool has(std::size_t count) {
    return eventually([&] { return all().size() >= count; });
  }
};
using reading_ptr = std::shared_ptr<reading>;

struct reader_state {
  static inline const char* name = "reader";
};

turn_sink_actor::behavior_type reader(self_pointer<turn_sink_actor, reader_state>, reading_ptr to) {
  return {[to](const TurnEvents& batch) {
    std::lock_guard guard{to->mutex};
    for (const auto& event : batch->events())
      to->events.push_back(event);
  }};
}

v1::RemoteRequest subscribe_request(std::int64_t after_seq = 0) {
  v1::RemoteRequest out;
  out.set_limit_ms(5'000);
  out.mutable_subscribe()->set_conversation_id("c");
  out.mutable_subscribe()->set_turn_id("t");
  out.mutable_subscribe()->set_after_seq(after_seq);
  return out;
}

v1::TurnEvents delta(std::int64_t seq, const std::string& text = "x") {
  v1::TurnEvents out;
  out.set_conversation_id("c");
  out.set_turn_id("t");
  auto& event = *out.add_events();
  event.set_seq(seq);
  event.mutable_delta()->set_text(text);
  return out;
}

v1::TurnEvents finished(std::int64_t seq) {
  auto out = delta(seq);
  out.mutable_events(0)->mutable_finished()->set_status(v1::TURN_STATUS_FINISHED);
  return out;
}

/// A session's side: keeps who subscribed and unsubscribed.
struct turns {
  std::mutex mutex;
  std::vector<turn_sink_actor> sinks;
  std::vector<turn_sink_actor> unsubscribed;
  int conversations = 0;

  link_service call() {
    return
        [this](const RemoteRequest& x, const turn_sink_actor& sink) -> caf::result<RemoteAnswer> {
          std::lock_guard guard{mutex};
          v1::RemoteAnswer out;
          if (x->has_subscribe()) {
            if (x->subscribe().turn_id() == "none")
              return make_error(ec::not_found, "no such turn");
            sinks.push_back(sink);
            out.mutable_turn()->set_id("t");
          } else if (x->has_unsubscribe()) {
            unsubscribed.push_back(sink);
          } else {
            ++conversations;
            out.mutable_conversation()->set_id(x->get().conversation_id());
          }
          return RemoteAnswer{std::move(out)};
        };
  }
  turn_sink_actor sink(std::size_t i = 0) {
    std::lock_guard guard{mutex};
    return i < sinks.size() ? sinks[i] : turn_sink_actor{};
  }
  std::size_t left() {
    std::lock_guard guard{mutex};
    return unsubscribed.size();
  }
  void forget() {
    std::lock_guard guard{mutex};
    sinks.clear();
    unsubscribed.clear();
  }
};

/// Node a reads turns of node b.
struct reading_pair {
  explicit reading_pair(const link_limits& limits = quick_links()) :
      a("a", limits), b("b", limits, {}, at_b.call()) {
    REQUIRE(join(a, b));
    sink = troupe::spawn(a.host(), reader, got);
  }
  ~reading_pair() {
    at_b.forget();
    caf::anon_send_exit(sink, caf::exit_reason::user_shutdown);
  }
  caf::expected<RemoteAnswer> ask(v1::RemoteRequest request) {
    caf::scoped_actor self{a.system()};
    caf::expected<RemoteAnswer> out{caf::error{}};
    self->request(a.handle("b"), 10s, RemoteRequest{std::move(request)}, sink)
        .receive([&](RemoteAnswer& x) { out = std::move(x); },
                 [&](caf::error& e) { out = std::move(e); });
    return out;
  }
  turns at_b;
  reading_ptr got = std::make_shared<reading>();
  link_node a;
  link_node b;
  turn_sink_actor sink;
};

} // namespace

TEST_CASE("a turn's events come in order, to their end, and the subscription is over then") {
  reading_pair pair;
  auto answer = pair.ask(subscribe_request());
  REQUIRE(answer);
  CHECK((*answer)->turn().id() == "t");
  constexpr std::int64_t many = 5'000;
  for (std::int64_t i = 1; i <= many; ++i)
    caf::anon_send(pair.at_b.sink(), TurnEvents{delta(i)});
  caf::anon_send(pair.at_b.sink(), TurnEvents{finished(many + 1)});
  REQUIRE(pair.got->has(many + 1));
  auto all = pair.got->all();
  for (std::int64_t i = 0; i <= many; ++i)
    CHECK(all[static_cast<std::size_t>(i)].seq() == i + 1);
  CHECK(all.back().has_finished());
  pair.at_b.forget();
  CHECK(eventually([&] { return pair.b.live("remote_sink") == 0; }));
}

TEST_CASE("a reader whose link breaks is told after its last event that the turn is elsewhere") {
  reading_pair pair;
  REQUIRE(pair.ask(subscribe_request(40)));
  caf::anon_send(pair.at_b.sink(), TurnEvents{delta(41)});
  caf::anon_send(pair.at_b.sink(), TurnEvents{delta(42)});
  REQUIRE(pair.got->has(2));
  CHECK(pair.b.stop());
  REQUIRE(pair.got->has(3));
  auto last = pair.got->all().back();
  CHECK(last.seq() == 43);
  CHECK(last.failed().failure().code() == "not_owner");
  CHECK(pair.got->all().size() == 3);
}

TEST_CASE("a subscription that is refused ends at both nodes") {
  reading_pair pair;
  auto request = subscribe_request();
  request.mutable_subscribe()->set_turn_id("none");
  auto answer = pair.ask(request);
  REQUIRE(!answer);
  CHECK(info(answer.error()).code == ec::not_found);
  CHECK(describe(answer.error()) == "no such turn");
  CHECK(eventually([&] { return pair.b.live("remote_sink") == 0; }));
  CHECK(pair.got->all().empty());
}

TEST_CASE("who unsubscribes, or dies, is no longer sent to") {
  reading_pair pair;
  REQUIRE(pair.ask(subscribe_request()));
  auto first = pair.at_b.sink();
  v1::RemoteRequest leave;
  leave.mutable_unsubscribe()->set_conversation_id("c");
  leave.mutable_unsubscribe()->set_turn_id("t");
  CHECK(pair.ask(leave));
  REQUIRE(eventually([&] { return pair.at_b.left() == 1; }));
  CHECK(pair.at_b.unsubscribed[0] == first);
  first = turn_sink_actor{};
  pair.at_b.forget();
  CHECK(eventually([&] { return pair.b.live("remote_sink") == 0; }));
  REQUIRE(pair.ask(subscribe_request()));
  auto second = pair.at_b.sink();
  caf::anon_send_exit(pair.sink, caf::exit_reason::user_shutdown);
  REQUIRE(eventually([&] { return pair.at_b.left() == 1; }));
  CHECK(pair.at_b.unsubscribed[0] == second);
  CHECK(pair.got->all().empty());
}

TEST_CASE("a reader too slow for its events is told that some were lost, and others read on") {
  auto limits = quick_links();
  limits.queue_bytes_max = 200'000;
  turns at_a;
  link_node a{"a", limits, {}, at_a.call()};
  link_stranger b{a.port()};
  auto hello = link_hello("b");
  hello.mutable_hello()->set_credit_bytes(10'000);
  REQUIRE(b.agree(hello));
  REQUIRE(a.linked("b"));
  for (std::uint64_t id : {1, 2}) {
    v1::LinkFrame frame;
    *frame.mutable_request() = subscribe_request();
    frame.mutable_request()->set_id(id);
    b.send(frame);
    auto answer = b.read_past_beats();
    REQUIRE(answer);
    CHECK(answer->answer().turn().id() == "t");
  }
  // The grant is used up, then the queue.
  for (int i = 1; i <= 300; ++i)
    caf::anon_send(at_a.sink(0), TurnEvents{delta(i, std::string(1'000, 'x'))});
  CHECK(eventually([&] { return a.state("b")->queued_bytes() > 180'000; }));
  CHECK(a.state("b")->queued_bytes() <= 210'000);
  v1::LinkFrame grant;
  grant.mutable_credit()->set_bytes(1'000'000);
  b.send(grant);
  std::int64_t seq = 0;
  bool lost = false;
  while (!lost) {
    auto frame = b.read_past_beats();
    REQUIRE(frame);
    REQUIRE(frame->has_events());
    lost = frame->events().lost();
    if (!lost) {
      CHECK(frame->events().events().events(0).seq() == ++seq);
    }
  }
  CHECK(seq > 100);
  CHECK(seq < 300);
  caf::anon_send(at_a.sink(1), TurnEvents{finished(1)});
  auto other = b.read_past_beats();
  REQUIRE(other);
  CHECK(other->events().id() == 2);
  at_a.forget();
}

TEST_CASE("events that the peer lost end the subscription, as if the turn had moved") {
  link_node a{"a"};
  link_stranger b{a.port()};
  REQUIRE(b.agree(link_hello("b")));
  REQUIRE(a.linked("b"));
  auto got = std::make_shared<reading>();
  auto sink = troupe::spawn(a.host(), reader, got);
  caf::anon_send(a.handle("b"), RemoteRequest{subscribe_request(7)}, sink);
  auto asked = b.read_past_beats();
  REQUIRE(asked);
  v1::LinkFrame lost;
  lost.mutable_events()->set_id(asked->request().id());
  lost.mutable_events()->set_lost(true);
  b.send(lost);
  REQUIRE(got->has(1));
  CHECK(got->all()[0].seq() == 8);
  CHECK(got->all()[0].failed().failure().code() == "not_owner");
  caf::anon_send_exit(sink, caf::exit_reason::user_shutdown);
}

TEST_CASE("a subscription that was not answered in time is given up at the peer as well") {
  link_node a{"a"};
  link_stranger b{a.port()};
  REQUIRE(b.agree(link_hello("b")));
  REQUIRE(a.linked("b"));
  auto got = std::make_shared<reading>();
  auto sink = troupe::spawn(a.host(), reader, got);
  caf::scoped_actor self{a.system()};
  auto request = subscribe_request();
  request.set_limit_ms(50);
  auto asked = self->request(a.handle("b"), 10s, RemoteRequest{request}, sink);
  auto frame = b.read_past_beats();
  REQUIRE(frame);
  auto id = frame->request().id();
  ec code = ec::none;
  asked.receive([](const RemoteAnswer&) {}, [&](caf::error& e) { code = info(e).code; });
  CHECK(code == ec::deadline_exceeded);
  frame = b.read_past_beats();
  REQUIRE(frame);
  CHECK(frame->request().has_unsubscribe());
  CHECK(frame->request().unsubscribe().turn_id() == "t");
  CHECK(frame->request().subscription() == id);
  CHECK(frame->request().id() == 0);
  // What the peer sent before it knew reaches nobody.
  v1::LinkFrame late;
  late.mutable_events()->set_id(id);
  *late.mutable_events()->mutable_events() = delta(1);
  b.send(late);
  b.send(late);
  auto next = self->request(a.handle("b"), 10s, RemoteRequest{get_request("one")});
  CHECK(b.read_past_beats());
  CHECK(got->all().empty());
  caf::anon_send_exit(sink, caf::exit_reason::user_shutdown);
  CHECK(a.stop());
  next.receive([](const RemoteAnswer&) {}, [](caf::error&) {});
}

TEST_CASE("a service that stalls holds up to what was granted, then requests are refused, and "
          "other links go on") {
  auto limits = quick_links();
  limits.credit_bytes = 100'000;
  limits.queue_bytes_max = 200'000;
  std::mutex mutex;
  std::vector<caf::typed_response_promise<RemoteAnswer>> kept;
  std::size_t asked = 0;
  auto stalls = [&](const RemoteRequest&, const turn_sink_actor&) -> caf::result<RemoteAnswer> {
    std::lock_guard guard{mutex};
    ++asked;
    return caf::typed_response_promise<RemoteAnswer>{};
  };
  link_node a{"a", limits};
  link_node b{"b", limits, {}, stalls};
  link_node c{"c", limits};
  a.view({a.row(), b.row(), c.row()});
  REQUIRE(a.linked("b"));
  REQUIRE(a.linked("c"));
  auto request = get_request(std::string(1'000, 'x'));
  request.set_limit_ms(60'000);
  caf::scoped_actor self{a.system()};
  auto ask = [&] { return self->request(a.handle("b"), caf::infinite, RemoteRequest{request}); };
  std::vector<decltype(ask())> all;
  for (int i = 0; i < 400; ++i)
    all.push_back(ask());
  // 100 kB at b, 200 kB waiting here (or less, while the first were on their way); the others are
  // refused at once.
  CHECK(eventually([&] { return a.probe().refused_full >= 90; }));
  CHECK(eventually([&] {
    std::lock_guard guard{mutex};
    return asked >= 90;
  }));
  CHECK(a.state("b")->queued_bytes() <= 210'000);
  CHECK(a.ask(a.handle("c"), get_request("one")));
  CHECK(a.state("b")->up());
  int refused = 0;
  CHECK(b.stop());
  for (auto& one : all)
    one.receive([](const RemoteAnswer&) {},
                [&](caf::error& e) { refused += info(e).code == ec::overloaded ? 1 : 0; });
  CHECK(refused >= 90);
  CHECK(refused <= 210);
  std::lock_guard guard{mutex};
  CHECK(asked <= 110);
}

TEST_CASE("what was handled is granted again: many times the grant passes") {
  auto limits = quick_links();
  limits.credit_bytes = 10'000;
  link_node a{"a", limits};
  link_node b{"b", limits};
  REQUIRE(join(a, b));
  for (int i = 0; i < 100; ++i)
    CHECK(a.ask(a.handle("b"), get_request(std::string(3'000, 'x'))));
}

TEST_CASE("one frame may be longer than the grant, and none longer than the limit") {
  auto limits = quick_links();
  limits.credit_bytes = 10'000;
  limits.frame_bytes_max = 1'000'000;
  link_node a{"a", limits};
  link_node b{"b", limits};
  REQUIRE(join(a, b));
  CHECK(a.ask(a.handle("b"), get_request(std::string(900'000, 'x'))));
  auto got = a.ask(a.handle("b"), get_request(std::string(1'100'000, 'x')));
  REQUIRE(!got);
  CHECK(info(got.error()).code == ec::too_large);
  CHECK(a.state("b")->up());
}

TEST_CASE("requests of a kind unknown here are answered, and frames of a kind left alone") {
  link_node a{"a"};
  link_stranger b{a.port()};
  REQUIRE(b.agree(link_hello("b")));
  REQUIRE(a.linked("b"));
  b.send_bytes(frame_of(std::string("\xfa\x07\x00", 3))); // LinkFrame's field 127
  v1::LinkFrame unknown;
  unknown.mutable_request()->set_id(5);
  b.send(unknown);
  auto answer = b.read_past_beats();
  REQUIRE(answer);
  CHECK(answer->answer().id() == 5);
  CHECK(answer->answer().failure().code() == "unsupported");
  CHECK(a.probe().unknown_frames == 1);
  CHECK(a.probe().unknown_requests == 1);
  CHECK(a.state("b")->up());
}

TEST_CASE("more requests than may wait are refused at once") {
  auto limits = quick_links();
  limits.requests_max = 10;
  link_node a{"a", limits};
  link_stranger b{a.port()};
  REQUIRE(b.agree(link_hello("b")));
  REQUIRE(a.linked("b"));
  caf::scoped_actor self{a.system()};
  auto ask = [&] {
    return self->request(a.handle("b"), caf::infinite, RemoteRequest{get_request("one")});
  };
  std::vector<decltype(ask())> all;
  for (int i = 0; i < 11; ++i)
    all.push_back(ask());
  ec code = ec::none;
  all.back().receive([](const RemoteAnswer&) {}, [&](caf::error& e) { code = info(e).code; });
  CHECK(code == ec::overloaded);
  CHECK(a.stop());
  for (int i = 0; i < 10; ++i)
    all[static_cast<std::size_t>(i)].receive([](const RemoteAnswer&) {}, [](caf::error&) {});
}
