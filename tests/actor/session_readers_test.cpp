// Readers of turns: late ones, lost ones, and those who come back.
#include "tests/support/session_fixture.hpp"

#include <doctest/doctest.h>

using namespace troupe;
using namespace troupe::test;
using namespace std::chrono_literals;

TEST_CASE_FIXTURE(session_fixture, "a reader who comes late reads what was said, then what comes") {
  start_region();
  auto id = conversation();
  auto turn_id = post(id, "hello");
  auto early = read(id, turn_id);
  upstream->last().send({started(), said("one ")});
  upstream->last().send({said("two ")});
  run();
  auto late = read(id, turn_id);
  CHECK(late->text() == "one two ");
  auto resumed = read(id, turn_id, 2); // it has the start and "one "
  CHECK(resumed->text() == "two ");
  upstream->last().send({said("three"), finished()});
  run();
  for (const auto& x : {early, late}) {
    CHECK(x->text() == "one two three");
    CHECK(x->in_order());
    CHECK(x->ended());
  }
  CHECK(resumed->text() == "two three");
  CHECK(late->events.size() < early->events.size()); // deltas were joined
  CHECK(late->events.back().seq() == early->events.back().seq());
}

TEST_CASE_FIXTURE(session_fixture, "an ended turn is read from memory, and later from the store") {
  upstream->on_start = echo();
  start_region();
  auto id = conversation();
  auto turn_id = post(id, "hello");
  auto gets = data->calls["GetTurn"];
  auto soon = read(id, turn_id);
  CHECK(soon->text() == "echo: hello");
  CHECK(soon->ended());
  CHECK(data->calls["GetTurn"] == gets);
  for (int i = 0; i < 13; ++i)
    advance(10s); // replay_ms is 120 s
  auto late = read(id, turn_id, 2);
  CHECK(data->calls["GetTurn"] == gets + 1);
  CHECK(late->text().empty());
  REQUIRE(late->message() != nullptr);
  CHECK(text_of(*late->message()) == "assistant:echo: hello");
  CHECK(late->status() == v1::TURN_STATUS_FINISHED);
  CHECK(late->events.front().seq() == 3);
  CHECK(late->events.back().finished().usage().total_tokens() == 15);
}

TEST_CASE_FIXTURE(session_fixture,
                  "failed and stopped turns are read from the store as they ended") {
  start_region();
  auto id = conversation();
  auto failed = post(id, "one");
  upstream->last().send({started(), said("half"), broke(ec::upstream_broken, "cut off")});
  run();
  auto stopped = post(id, "two");
  stop(id, stopped);
  start_region();
  auto first = read(id, failed);
  REQUIRE(first->events.back().has_failed());
  CHECK(first->events.back().failed().failure().message() == "cut off");
  CHECK(first->message()->status() == v1::MESSAGE_STATUS_FAILED);
  auto second = read(id, stopped);
  CHECK(second->status() == v1::TURN_STATUS_STOPPED);
  CHECK(second->message() == nullptr); // nothing was said
}

TEST_CASE_FIXTURE(session_fixture, "a reader can wait for a turn that has not begun") {
  start_region();
  auto id = conversation();
  post(id, "one");
  auto second = post(id, "two");
  auto events = read(id, second);
  CHECK(events->events.empty());
  upstream->on_start = echo();
  echo()(upstream->last());
  run();
  CHECK(events->text() == "echo: two");
  CHECK(events->events.front().seq() == 1);
  CHECK(events->in_order());
}

TEST_CASE_FIXTURE(session_fixture, "a reader that is gone or had enough is not sent to") {
  start_region();
  auto id = conversation();
  auto turn_id = post(id, "hello");
  auto data_of = [&](const turn_sink_actor& sink) {
    v1::SubscribeTurn query;
    query.set_conversation_id(id);
    query.set_turn_id(turn_id);
    REQUIRE(ask<Turn>(region, SubscribeTurn{query}, sink));
  };
  auto gone = std::make_shared<reading>();
  auto fed_up = std::make_shared<reading>();
  turn_sink_actor first = troupe::spawn(host, reader, gone);
  turn_sink_actor second = troupe::spawn(host, reader, fed_up);
  data_of(first);
  data_of(second);
  data_of(second); // twice is once
  caf::anon_send_exit(first, caf::exit_reason::user_shutdown);
  v1::UnsubscribeTurn enough;
  enough.set_conversation_id(id);
  enough.set_turn_id(turn_id);
  caf::anon_send(region, UnsubscribeTurn{enough}, second);
  run();
  auto before = fed_up->events.size();
  upstream->last().send({started(), said("hi"), finished()});
  run();
  CHECK(fed_up->events.size() == before);
  CHECK(turn(turn_id).status() == v1::TURN_STATUS_FINISHED);
}

TEST_CASE_FIXTURE(session_fixture, "a turn that is not there, or another's, is not found") {
  start_region();
  auto id = conversation();
  auto other = conversation();
  auto turn_id = post(other, "hello");
  auto into = std::make_shared<reading>();
  for (const auto& [c, t] : std::vector<std::pair<std::string, std::string>>{
           {id, "nothing"}, {id, turn_id}, {id, ""}, {"nowhere", turn_id}}) {
    auto refused = subscribe(c, t, 0, into);
    REQUIRE(!refused);
    CHECK(info(refused.error()).code == ec::not_found);
  }
  CHECK(into->events.empty());
}

TEST_CASE_FIXTURE(session_fixture, "too many readers of one turn are refused") {
  start_region();
  auto id = conversation();
  auto turn_id = post(id, "hello");
  for (int i = 0; i < 64; ++i)
    read(id, turn_id);
  auto refused = subscribe(id, turn_id, 0, std::make_shared<reading>());
  REQUIRE(!refused);
  CHECK(info(refused.error()).code == ec::overloaded);
}
