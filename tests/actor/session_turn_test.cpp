// One turn after the other: accepted, answered, stored, read.
#include "tests/support/session_fixture.hpp"

#include <doctest/doctest.h>

using namespace troupe;
using namespace troupe::test;
using namespace std::chrono_literals;

TEST_CASE_FIXTURE(session_fixture, "a message is answered, and both are stored on the branch") {
  upstream->on_start = echo();
  start_region();
  auto id = conversation();
  auto turn_id = post(id, "hello");
  CHECK(branch(id) == "user:hello | assistant:echo: hello");
  CHECK(turn(turn_id).status() == v1::TURN_STATUS_FINISHED);
  CHECK(turn(turn_id).step() == 1);
  CHECK(turn(turn_id).attempts() == 1);
  const auto& reply = data->messages.at(turn(turn_id).reply_id());
  CHECK(reply.status() == v1::MESSAGE_STATUS_COMPLETE);
  CHECK(reply.finish_reason() == "stop");
  CHECK(reply.model() == "demo-1");
  CHECK(reply.usage().total_tokens() == 15);
  REQUIRE(data->ledger.contains(turn_id + "/1"));
  CHECK(data->ledger.at(turn_id + "/1").usage().completion_tokens() == 5);
  CHECK(data->ledger.at(turn_id + "/1").deployment() == "fake");
  CHECK(data->conversations.at(id).title() == "hello");
}

TEST_CASE_FIXTURE(session_fixture, "the second message is sent with the first exchange before it") {
  upstream->on_start = echo();
  start_region();
  auto id = conversation([](auto& c) { c.set_system_prompt("be kind"); });
  post(id, "one");
  post(id, "two");
  CHECK(texts(upstream->last().request)
        == "system:be kind | user:one | assistant:echo: one | user:two");
  CHECK(branch(id) == "user:one | assistant:echo: one | user:two | assistant:echo: two");
}

TEST_CASE_FIXTURE(session_fixture, "a message is acknowledged only when it is durable") {
  data->conduct_of = [](auto request) {
    return request == "AcceptTurn" ? conduct::hold : conduct::normal;
  };
  start_region();
  auto id = conversation();
  auto accepted = post_later(message(id, "hello"));
  run();
  CHECK(!accepted.came());
  CHECK(upstream->calls.empty());
  release();
  REQUIRE(accepted.came());
  CHECK(accepted->conversation_id() == id);
  CHECK(data->messages.contains(accepted->message_id()));
  CHECK(upstream->calls.size() == 1);
}

TEST_CASE_FIXTURE(session_fixture, "readers hear of the end only when it is durable") {
  start_region();
  auto id = conversation();
  auto turn_id = post(id, "hello");
  auto events = read(id, turn_id);
  data->conduct_of = [](auto request) {
    return request == "AdvanceTurn" ? conduct::hold : conduct::normal;
  };
  upstream->last().send({started(), said("hi"), said(" you"), finished()});
  run();
  CHECK(events->text() == "hi you");
  CHECK(!events->ended());
  CHECK(events->message() == nullptr);
  release();
  REQUIRE(events->ended());
  CHECK(events->in_order());
  CHECK(events->status() == v1::TURN_STATUS_FINISHED);
  CHECK(events->events.back().finished().usage().total_tokens() == 15);
  REQUIRE(events->message() != nullptr);
  CHECK(events->events.back().finished().message_id() == events->message()->id());
}

TEST_CASE_FIXTURE(session_fixture, "the deltas of one batch reach a reader as one event") {
  start_region();
  auto id = conversation();
  auto turn_id = post(id, "hello");
  auto events = read(id, turn_id);
  upstream->last().send({started(), thought("hm"), said("a"), said("b"), said("c")});
  upstream->last().send({said("d"), finished()});
  run();
  std::vector<std::string> kinds;
  for (const auto& event : events->events)
    kinds.push_back(event.has_delta() ? event.delta().reasoning() + event.delta().text() : "-");
  CHECK(kinds == std::vector<std::string>{"-", "hm", "abc", "d", "-", "-"});
  CHECK(data->messages.at(turn(turn_id).reply_id()).parts(0).reasoning().text() == "hm");
}

TEST_CASE_FIXTURE(session_fixture,
                  "messages that come while a turn runs wait and go on from its reply") {
  start_region();
  auto id = conversation();
  auto first = post(id, "one");
  auto second = post(id, "two");
  auto third = post(id, "three");
  CHECK(upstream->calls.size() == 1);
  CHECK(status().turns_running() == 1);
  CHECK(status().turns_queued() == 2);
  CHECK(branch(id) == "user:one");
  upstream->on_start = echo();
  echo()(upstream->last());
  run();
  CHECK(branch(id)
        == "user:one | assistant:echo: one | user:two | assistant:echo: two | user:three | "
           "assistant:echo: three");
  for (const auto& x : {first, second, third})
    CHECK(turn(x).status() == v1::TURN_STATUS_FINISHED);
  CHECK(status().turns_running() == 0);
  CHECK(status().turns_queued() == 0);
}

TEST_CASE_FIXTURE(session_fixture, "a full queue refuses the next message with a sentence") {
  options.session.config.queue_max = 2;
  start_region();
  auto id = conversation();
  for (const auto* text : {"runs", "waits", "waits too"})
    post(id, text);
  auto refused = post(message(id, "too many"));
  REQUIRE(!refused);
  CHECK(info(refused.error()).code == ec::overloaded);
  CHECK(describe(refused.error())
        == "2 messages wait in this conversation already: wait for an answer, or stop the one that "
           "runs");
  CHECK(data->turns.size() == 3);
}

TEST_CASE_FIXTURE(session_fixture, "the same dedupe key is the same turn, answered once") {
  upstream->on_start = echo();
  start_region();
  auto id = conversation();
  auto twice = message(id, "hello");
  twice.set_dedupe_key("qq:1:42");
  auto first = post(twice);
  auto second = post(twice);
  REQUIRE(first);
  REQUIRE(second);
  CHECK(!(*first)->duplicate());
  CHECK((*second)->duplicate());
  CHECK((*first)->turn_id() == (*second)->turn_id());
  CHECK((*first)->message_id() == (*second)->message_id());
  CHECK(upstream->calls.size() == 1);
  CHECK(branch(id) == "user:hello | assistant:echo: hello");
}

TEST_CASE_FIXTURE(session_fixture, "two posts with one key at the same moment make one turn") {
  upstream->on_start = echo();
  start_region();
  auto id = conversation();
  auto twice = message(id, "hello");
  twice.set_dedupe_key("k");
  auto first = post_later(twice);
  auto second = post_later(twice);
  run();
  CHECK(first->duplicate() != second->duplicate());
  CHECK(upstream->calls.size() == 1);
}

TEST_CASE_FIXTURE(session_fixture, "a stopped turn keeps its text so far") {
  start_region();
  auto id = conversation();
  auto turn_id = post(id, "hello");
  auto events = read(id, turn_id);
  upstream->last().send({started(), said("so far")});
  run();
  auto stopped = stop(id, turn_id);
  REQUIRE(stopped);
  CHECK((*stopped)->status() == v1::TURN_STATUS_STOPPED);
  CHECK(upstream->last().cancelled);
  CHECK(branch(id) == "user:hello | assistant:so far");
  const auto& reply = data->messages.at((*stopped)->reply_id());
  CHECK(reply.status() == v1::MESSAGE_STATUS_STOPPED);
  CHECK(events->status() == v1::TURN_STATUS_STOPPED);
  // No usage came: it was counted, and the ledger says so.
  const auto& line = data->ledger.at(turn_id + "/1");
  CHECK(line.ending() == v1::ENDING_CLIENT_LEFT);
  CHECK(line.usage().estimated());
  CHECK(line.usage().completion_tokens() == 2);
  CHECK(tokenizer->vocabulary == "o200k_base"); // the route's, long after it was asked for
  CHECK(line.usage().prompt_tokens() == 8); // "hello" in its frame, and what comes before a reply
  // What the upstream says afterwards is nobody's.
  upstream->last().send({said(" and more"), finished()});
  run();
  CHECK(branch(id) == "user:hello | assistant:so far");
}

TEST_CASE_FIXTURE(session_fixture, "a stop that meets the end of its turn gets the finished turn") {
  start_region();
  auto id = conversation();
  auto turn_id = post(id, "hello");
  data->conduct_of = [](auto request) {
    return request == "AdvanceTurn" ? conduct::hold : conduct::normal;
  };
  upstream->last().send({started(), said("done"), finished()});
  run();
  auto stopped = stop_later(id, turn_id);
  run();
  CHECK(!stopped.came());
  release();
  REQUIRE(stopped.came());
  CHECK(stopped->status() == v1::TURN_STATUS_FINISHED);
  auto again = stop(id, turn_id);
  REQUIRE(again);
  CHECK((*again)->status() == v1::TURN_STATUS_FINISHED);
}

TEST_CASE_FIXTURE(session_fixture, "a stop while the start is being stored ends the turn at once") {
  start_region();
  auto id = conversation();
  auto first = post(id, "one");
  auto second = post(id, "two");
  data->conduct_of = [&](auto request) {
    return request == "AdvanceTurn" ? conduct::hold : conduct::normal;
  };
  upstream->last().send({started(), finished()});
  run();
  release(); // the first one's end; now the second one's start is held
  run();
  auto stopped = stop_later(id, second);
  run();
  release();
  release();
  REQUIRE(stopped.came());
  CHECK(stopped->status() == v1::TURN_STATUS_STOPPED);
  CHECK(upstream->calls.size() == 1);
}

TEST_CASE_FIXTURE(session_fixture, "a waiting turn can be stopped before it begins") {
  start_region();
  auto id = conversation();
  auto first = post(id, "one");
  auto second = post(id, "two");
  auto stopped = stop(id, second);
  REQUIRE(stopped);
  CHECK((*stopped)->status() == v1::TURN_STATUS_STOPPED);
  CHECK(branch(id) == "user:one");
  upstream->on_start = echo();
  echo()(upstream->last());
  run();
  CHECK(branch(id) == "user:one | assistant:echo: one");
  post(id, "three");
  CHECK(branch(id) == "user:one | assistant:echo: one | user:three | assistant:echo: three");
  CHECK(turn(first).status() == v1::TURN_STATUS_FINISHED);
}

TEST_CASE_FIXTURE(session_fixture, "a stop without a turn says so") {
  start_region();
  auto id = conversation();
  auto nothing = stop(id, "");
  REQUIRE(!nothing);
  CHECK(info(nothing.error()).code == ec::not_found);
  CHECK(!stop(id, "no-such-turn"));
  auto other = conversation();
  auto turn_id = post(other, "hello");
  CHECK(!stop(id, turn_id));
  CHECK(stop(other, ""));
  CHECK(turn(turn_id).status() == v1::TURN_STATUS_STOPPED);
}

TEST_CASE_FIXTURE(session_fixture,
                  "an upstream that breaks off fails the turn and keeps the text") {
  start_region();
  auto id = conversation();
  auto turn_id = post(id, "hello");
  auto events = read(id, turn_id);
  upstream->last().send({started(), said("half"), broke(ec::upstream_broken, "cut off")});
  run();
  CHECK(branch(id) == "user:hello | assistant:half");
  CHECK(turn(turn_id).status() == v1::TURN_STATUS_FAILED);
  CHECK(turn(turn_id).failure().code() == "upstream_broken");
  CHECK(turn(turn_id).failure().message() == "cut off");
  CHECK(turn(turn_id).failure().http_status() == 502);
  CHECK(data->messages.at(turn(turn_id).reply_id()).status() == v1::MESSAGE_STATUS_FAILED);
  REQUIRE(events->events.back().has_failed());
  CHECK(events->events.back().failed().failure().code() == "upstream_broken");
  CHECK(data->ledger.at(turn_id + "/1").ending() == v1::ENDING_UPSTREAM_FAILED);
}

TEST_CASE_FIXTURE(session_fixture, "an upstream that refuses to start fails the turn") {
  upstream->refuse = [](const auto&) { return make_error(ec::overloaded, "all busy"); };
  start_region();
  auto id = conversation();
  auto turn_id = post(id, "hello");
  CHECK(turn(turn_id).status() == v1::TURN_STATUS_FAILED);
  CHECK(turn(turn_id).failure().message() == "all busy");
  upstream->refuse = {};
  upstream->on_start = echo();
  post(id, "again");
  // The failed answer has no text: the model is not shown it.
  CHECK(texts(upstream->last().request) == "user:hello | user:again");
}

TEST_CASE_FIXTURE(session_fixture, "an answer over the bound is cut and fails") {
  options.session.config.answer_bytes_max = 10;
  start_region();
  auto id = conversation();
  auto turn_id = post(id, "hello");
  upstream->last().send({started(), said("0123456789"), said("x"), said("y")});
  run();
  CHECK(upstream->last().cancelled);
  CHECK(turn(turn_id).failure().code() == "too_large");
  CHECK(branch(id) == "user:hello | assistant:0123456789x");
}

TEST_CASE_FIXTURE(session_fixture, "a turn that takes too long fails") {
  options.session.config.turn_limit_ms = 30'000;
  start_region();
  auto id = conversation();
  auto turn_id = post(id, "hello");
  upstream->last().send({started(), said("slow")});
  run();
  for (int i = 0; i < 29; ++i)
    advance(1s);
  CHECK(turn(turn_id).status() == v1::TURN_STATUS_RUNNING);
  advance(1s);
  CHECK(turn(turn_id).failure().code() == "upstream_timeout");
  CHECK(upstream->last().cancelled);
  CHECK(branch(id) == "user:hello | assistant:slow");
}

TEST_CASE_FIXTURE(session_fixture,
                  "model and parameters come from the post, the conversation, the config") {
  start_region();
  auto plain = conversation();
  post(plain, "hello");
  CHECK(upstream->last().request.model() == "gpt-4o");
  auto id = conversation([](auto& c) {
    c.set_model("gpt-4.1");
    c.set_params_json(R"({"temperature":0.5,"top_p":0.9})");
    c.set_tools_json(R"([{"type":"function","function":{"name":"old"}}])");
  });
  post(id, "hello");
  CHECK(upstream->last().request.model() == "gpt-4.1");
  CHECK(upstream->last().request.route().vocabulary() == "o200k_base");
  stop(id, "");
  auto special = message(id, "again");
  special.set_model("gpt-4");
  special.set_params_json(R"({"temperature":1,"top_p":null})");
  special.set_tools_json(R"([{"type":"function","function":{"name":"new"}}])");
  REQUIRE(post(special));
  CHECK(upstream->last().request.model() == "gpt-4");
  CHECK(upstream->last().request.params_json() == R"({"temperature":1})");
  CHECK(upstream->last().request.tools_json() == special.tools_json());
}

TEST_CASE_FIXTURE(session_fixture, "bad input is refused before anything is stored") {
  start_region();
  auto id = conversation();
  auto code = [&](const std::function<void(v1::PostMessage&)>& change) {
    auto x = message(id, "hello");
    change(x);
    auto result = post(x);
    return result ? ec::none : info(result.error()).code;
  };
  CHECK(code([](auto& x) { x.clear_parts(); }) == ec::invalid_argument);
  CHECK(code([](auto& x) { x.mutable_parts(0)->mutable_text()->set_text(" \n"); })
        == ec::invalid_argument);
  CHECK(code([](auto& x) { x.mutable_parts(0)->mutable_text()->set_text("\xff\xfe"); })
        == ec::invalid_argument);
  CHECK(code([](auto& x) {
          x.mutable_parts(0)->mutable_text()->set_text(std::string(2'000'000, 'x'));
        })
        == ec::too_large);
  CHECK(code([](auto& x) { x.set_params_json("{"); }) == ec::invalid_argument);
  CHECK(code([](auto& x) { x.set_tools_json("{}"); }) == ec::invalid_argument);
  CHECK(code([](auto& x) { x.set_kind(v1::POST_KIND_EDIT); }) == ec::invalid_argument);
  CHECK(code([](auto& x) { x.set_kind(static_cast<v1::PostKind>(77)); }) == ec::invalid_argument);
  CHECK(code([](auto& x) { x.set_parent_id("nowhere"); }) == ec::not_found);
  CHECK(code([](auto& x) { x.set_dedupe_key(std::string(300, 'k')); }) == ec::invalid_argument);
  CHECK(data->turns.empty());
  CHECK(post(message(id, "still works")));
}

TEST_CASE_FIXTURE(session_fixture,
                  "the answer for a channel is in the outbox with its turn's end") {
  upstream->on_start = echo();
  options.session.split = [](const v1::ReplyAddress&, const v1::Message& reply) {
    std::vector<std::vector<v1::Part>> pieces;
    const auto& text = reply.parts(0).text().text();
    for (std::size_t i = 0; i < text.size(); i += 5) {
      v1::Part part;
      part.mutable_text()->set_text(text.substr(i, 5));
      pieces.push_back({part});
    }
    return pieces;
  };
  start_region();
  auto x = message("", "hello");
  x.mutable_reply_to()->set_channel("onebot");
  x.mutable_reply_to()->set_account("bot");
  x.mutable_reply_to()->set_chat_id("g1");
  x.mutable_create_if_missing()->set_session_key("onebot:bot:g1:u1");
  auto accepted = post(x);
  REQUIRE(accepted);
  REQUIRE(data->outbox.size() == 3);
  std::map<int, std::string> pieces;
  for (const auto& [id, row] : data->outbox) {
    CHECK(row.turn_id() == (*accepted)->turn_id());
    CHECK(row.to().chat_id() == "g1");
    pieces[row.part_index()] = row.parts(0).text().text();
  }
  CHECK(pieces == std::map<int, std::string>{{0, "echo:"}, {1, " hell"}, {2, "o"}});
  // A failure without a text is told to the chat as well.
  upstream->on_start = [](fake_call& call) {
    call.send({broke(ec::upstream_timeout, "too slow")});
  };
  REQUIRE(post(x));
  CHECK(data->outbox.size() == 5);
}
