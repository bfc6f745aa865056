// Turns of several steps: a model that calls tools, and a client that runs them.
#include "tests/support/session_fixture.hpp"

#include <doctest/doctest.h>

using namespace troupe;
using namespace troupe::test;
using namespace std::chrono_literals;

namespace {

struct tools_fixture : session_fixture {
  tools_fixture() {
    start_region();
    id = conversation([](auto& c) {
      c.set_tools_json(R"([{"type":"function","function":{"name":"weather"}}])");
    });
  }

  v1::PostMessage results(std::vector<std::pair<std::string, std::string>> answers) {
    auto x = message(id, "");
    x.set_kind(v1::POST_KIND_TOOL_RESULTS);
    for (auto& [call, content] : answers) {
      auto& result = *x.add_parts()->mutable_tool_result();
      result.set_call_id(call);
      result.set_content(content);
    }
    return x;
  }

  // Posts, and lets the model ask for two tools.
  std::string ask_tools() {
    auto turn_id = post(id, "weather?");
    call_tools();
    return turn_id;
  }

  void call_tools() {
    upstream->last().send({started(), said("let me see"), called(0, "c1", "weather", "{\"city\":"),
                           called(0, "", "", "\"Ulm\"}"), called(1, "c2", "weather", "{}")});
    upstream->last().send({finished("tool_calls")});
    run();
  }

  std::string id;
};

} // namespace

TEST_CASE_FIXTURE(tools_fixture, "a turn waits for its tools and goes on with their results") {
  auto turn_id = ask_tools();
  auto events = read(id, turn_id);
  CHECK(turn(turn_id).status() == v1::TURN_STATUS_AWAITING_TOOLS);
  CHECK(!events->ended());
  REQUIRE(events->message() != nullptr);
  CHECK(events->message()->finish_reason() == "tool_calls");
  REQUIRE(events->message()->parts_size() == 3);
  CHECK(events->message()->parts(1).tool_call().arguments_json() == "{\"city\":\"Ulm\"}");
  CHECK(status().turns_running() == 0);

  auto accepted = post(results({{"c1", "sunny"}, {"c2", "rain"}}));
  REQUIRE(accepted);
  CHECK((*accepted)->turn_id() == turn_id);
  CHECK(!(*accepted)->duplicate());
  REQUIRE(upstream->calls.size() == 2);
  CHECK(texts(upstream->last().request)
        == "user:weather? | assistant:let me seecall weathercall weather | tool:sunny | tool:rain");
  upstream->last().send({started(), said("sunny and rain"), finished()});
  run();
  CHECK(turn(turn_id).status() == v1::TURN_STATUS_FINISHED);
  CHECK(turn(turn_id).step() == 2);
  CHECK(events->ended());
  CHECK(events->in_order());
  CHECK(
      branch(id)
      == "user:weather? | assistant:let me seecall weathercall weather | tool:sunny | tool:rain | "
         "assistant:sunny and rain");
  CHECK(data->ledger.contains(turn_id + "/1"));
  CHECK(data->ledger.contains(turn_id + "/2"));
}

TEST_CASE_FIXTURE(tools_fixture, "results that do not fit the open calls are refused") {
  auto none = post(results({{"c1", "x"}}));
  REQUIRE(!none);
  CHECK(info(none.error()).code == ec::conflict);
  ask_tools();
  auto code = [&](std::vector<std::pair<std::string, std::string>> answers) {
    auto result = post(results(std::move(answers)));
    return result ? ec::none : info(result.error()).code;
  };
  CHECK(code({{"c1", "x"}}) == ec::invalid_argument); // c2 is missing
  CHECK(code({{"c1", "x"}, {"c2", "y"}, {"c3", "z"}}) == ec::invalid_argument);
  CHECK(code({{"c1", "x"}, {"c1", "y"}}) == ec::invalid_argument);
  CHECK(code({}) == ec::invalid_argument);
  auto elsewhere = results({{"c1", "x"}, {"c2", "y"}});
  elsewhere.set_parent_id("elsewhere");
  CHECK(info(post(elsewhere).error()).code == ec::conflict);
  CHECK(code({{"c1", "x"}, {"c2", "y"}}) == ec::none);
}

TEST_CASE_FIXTURE(tools_fixture, "results sent twice go on once") {
  auto turn_id = ask_tools();
  auto first = post(results({{"c1", "x"}, {"c2", "y"}}));
  auto second = post(results({{"c1", "x"}, {"c2", "y"}}));
  REQUIRE(second);
  CHECK((*second)->duplicate());
  CHECK((*second)->turn_id() == turn_id);
  CHECK(upstream->calls.size() == 2);
}

TEST_CASE_FIXTURE(tools_fixture, "results that the store did not take can be sent again") {
  auto turn_id = ask_tools();
  for (auto how : {conduct::refuse, conduct::lose_answer}) {
    data->conduct_of = [how](auto request) {
      return request == "AdvanceTurn" ? how : conduct::normal;
    };
    auto refused = post(results({{"c1", "x"}, {"c2", "y"}}));
    REQUIRE(!refused);
    CHECK(info(refused.error()).code == ec::store_unavailable);
    CHECK(upstream->calls.size() == 1);
  }
  data->conduct_of = {};
  REQUIRE(post(results({{"c1", "x"}, {"c2", "y"}})));
  CHECK(upstream->calls.size() == 2);
  CHECK(data->branch(data->conversations.at(id).leaf_id()).size() == 4);
}

TEST_CASE_FIXTURE(tools_fixture, "a turn that asks for tools too often fails") {
  options.session.config.steps_max = 2;
  start_region();
  auto turn_id = ask_tools();
  REQUIRE(post(results({{"c1", "x"}, {"c2", "y"}})));
  call_tools();
  CHECK(turn(turn_id).status() == v1::TURN_STATUS_FAILED);
  CHECK(turn(turn_id).failure().message()
        == "the model asked for tools 2 times in one turn: ask for less at once");
}

TEST_CASE_FIXTURE(tools_fixture,
                  "a turn that waits for tools can be stopped, and gives up in time") {
  auto turn_id = ask_tools();
  auto stopped = stop(id, turn_id);
  REQUIRE(stopped);
  CHECK((*stopped)->status() == v1::TURN_STATUS_STOPPED);
  // The calls that got no result are not sent to a model again.
  post(id, "never mind");
  CHECK(texts(upstream->last().request)
        == "user:weather? | assistant:let me see | user:never mind");
  call_tools();
  auto late = data->conversations.at(id).leaf_id();
  for (int i = 0; i < 61; ++i)
    advance(10s);
  CHECK(turn(data->messages.at(late).turn_id()).failure().code() == "deadline_exceeded");
}

TEST_CASE_FIXTURE(tools_fixture, "a message that comes while tools run waits for the turn's end") {
  auto turn_id = ask_tools();
  auto next = post(id, "and?");
  CHECK(upstream->calls.size() == 1);
  REQUIRE(post(results({{"c1", "x"}, {"c2", "y"}})));
  upstream->on_start = echo();
  echo()(upstream->last());
  run();
  CHECK(turn(next).status() == v1::TURN_STATUS_FINISHED);
  CHECK(data->messages.at(turn(next).message_id()).parent_id() == turn(turn_id).reply_id());
}

TEST_CASE_FIXTURE(tools_fixture, "a turn that waits for tools waits on after a restart") {
  auto turn_id = ask_tools();
  auto before = read(id, turn_id);
  start_region();
  CHECK(turn(turn_id).status() == v1::TURN_STATUS_AWAITING_TOOLS);
  auto events = read(id, turn_id, before->events.back().seq());
  REQUIRE(events->message() != nullptr);
  CHECK(events->events.front().has_restarted());
  CHECK(events->message()->finish_reason() == "tool_calls");
  CHECK(upstream->calls.size() == 1);
  REQUIRE(post(results({{"c1", "sunny"}, {"c2", "rain"}})));
  upstream->last().send({started(), said("fine"), finished()});
  run();
  CHECK(turn(turn_id).status() == v1::TURN_STATUS_FINISHED);
  CHECK(events->ended());
}

TEST_CASE_FIXTURE(tools_fixture, "a restart after the results goes on from them") {
  auto turn_id = ask_tools();
  REQUIRE(post(results({{"c1", "sunny"}, {"c2", "rain"}})));
  start_region();
  REQUIRE(upstream->calls.size() == 3);
  CHECK(texts(upstream->last().request)
        == "user:weather? | assistant:let me seecall weathercall weather | tool:sunny | tool:rain");
  upstream->last().send({started(), said("fine"), finished()});
  run();
  CHECK(turn(turn_id).step() == 2);
  CHECK(turn(turn_id).attempts() == 2);
}
