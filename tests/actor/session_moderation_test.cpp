// Moderation as stages of a session.
#include "actors/moderation/stages.hpp"
#include "tests/support/session_fixture.hpp"
#include "tests/support/word_guard.hpp"

#include <doctest/doctest.h>

using namespace troupe;
using namespace troupe::test;
using moderation::action;

namespace {

struct moderated_session : session_fixture {
  moderated_session() {
    add_moderation_stages(options.session.pipeline, words.guard);
    start_region();
  }

  std::string reasoning(const reading_ptr& events) const {
    std::string out;
    for (const auto& event : events->events)
      out += event.delta().reasoning();
    return out;
  }

  word_guard words{{word("mellow", action::mask), word("hidden", action::block, "secrets")}};
};

} // namespace

TEST_CASE_FIXTURE(moderated_session, "what a user wrote is stored and sent as the guard has it") {
  upstream->on_start = echo();
  auto id = conversation();
  post(id, "a mellow day");
  CHECK(texts(upstream->last().request) == "user:a ****** day");
  CHECK(branch(id) == "user:a ****** day | assistant:echo: a ****** day");
  CHECK(data->conversations.at(id).title() == "a ****** day");
}

TEST_CASE_FIXTURE(moderated_session, "a message with a blocked word is refused, unsaved") {
  auto id = conversation();
  auto refused = post(message(id, "what is hidden"));
  REQUIRE(!refused);
  CHECK(info(refused.error()).code == ec::content_filtered);
  CHECK(describe(refused.error()) == config::moderation_section{}.refusal);
  CHECK(branch(id).empty());
  CHECK(upstream->calls.empty());
  CHECK(words.told() == "block:secrets:hidden");
}

TEST_CASE_FIXTURE(moderated_session, "a channel's message is looked at as one of that channel") {
  auto id = conversation();
  auto from = message(id, "mellow");
  from.mutable_reply_to()->set_channel("onebot");
  from.mutable_reply_to()->set_account("bot");
  from.mutable_reply_to()->set_user_id("u-7");
  REQUIRE(post(from));
  auto hits = words.hits();
  REQUIRE(hits.size() == 1);
  CHECK(hits[0].channel() == "onebot");
  CHECK(hits[0].account() == "bot");
  CHECK(hits[0].user_id() == "u-7");
  CHECK(hits[0].conversation_id() == id);
}

TEST_CASE_FIXTURE(moderated_session, "an answer is changed as it streams, however it is cut") {
  auto id = conversation();
  auto turn_id = post(id, "hello");
  auto events = read(id, turn_id);
  upstream->last().send({started(), said("so mel")});
  run();
  CHECK(events->text().starts_with("so"));
  CHECK(events->text().find("mel") == std::string::npos);
  upstream->last().send({said("low a day of mel"), finished()});
  run();
  CHECK(events->text() == "so ****** a day of mel");
  CHECK(turn(turn_id).status() == v1::TURN_STATUS_FINISHED);
  CHECK(branch(id) == "user:hello | assistant:so ****** a day of mel");
}

TEST_CASE_FIXTURE(moderated_session, "a tenant's word is looked for in what its people read") {
  auto acmes = word("quiet", action::mask);
  acmes.tenant = "acme";
  words.replace({acmes});
  auto answer_for = [&](const std::string& tenant) {
    auto id = conversation();
    auto asked = message(id, "hello");
    asked.mutable_context()->set_tenant_id(tenant);
    REQUIRE(post(asked));
    upstream->last().send({started(), said("be quiet now"), finished()});
    run();
    return branch(id);
  };
  CHECK(answer_for("acme") == "user:hello | assistant:be ***** now");
  CHECK(answer_for("other") == "user:hello | assistant:be quiet now");
}

TEST_CASE_FIXTURE(moderated_session, "a blocked answer ends its turn, and keeps what was shown") {
  auto id = conversation();
  auto turn_id = post(id, "hello");
  auto events = read(id, turn_id);
  upstream->last().send({started(), said("it is hid"), said("den here")});
  run();
  CHECK(events->text() == "it is ");
  CHECK(turn(turn_id).status() == v1::TURN_STATUS_FAILED);
  CHECK(turn(turn_id).failure().code() == "content_filter");
  CHECK(upstream->last().cancelled);
  CHECK(branch(id) == "user:hello | assistant:it is ");
}

TEST_CASE_FIXTURE(moderated_session, "what a model thinks is looked at too, before what it says") {
  auto id = conversation();
  auto turn_id = post(id, "hello");
  auto events = read(id, turn_id);
  upstream->last().send({started(), thought("so mel"), thought("low, then mel"), said("mellow"),
                         thought("again mellow"), finished()});
  run();
  CHECK(reasoning(events) == "so ******, then melagain ******");
  CHECK(events->text() == "******");
  CHECK(turn(turn_id).status() == v1::TURN_STATUS_FINISHED);
  const auto& reply = data->messages.at(turn(turn_id).reply_id());
  std::string stored;
  for (const auto& part : reply.parts())
    stored += part.reasoning().text();
  CHECK(stored == "so ******, then melagain ******");
}

TEST_CASE_FIXTURE(moderated_session, "a blocked thought ends the turn before anything is said") {
  auto id = conversation();
  auto turn_id = post(id, "hello");
  auto events = read(id, turn_id);
  upstream->last().send({started(), thought("it is hidden"), said("well"), finished()});
  run();
  CHECK(events->text().empty());
  CHECK(reasoning(events) == "it is ");
  CHECK(turn(turn_id).failure().code() == "content_filter");
}

TEST_CASE_FIXTURE(moderated_session, "a tool's arguments pass, and its results are looked at") {
  auto id = conversation(
      [](auto& c) { c.set_tools_json(R"([{"type":"function","function":{"name":"find"}}])"); });
  auto turn_id = post(id, "hello");
  auto events = read(id, turn_id);
  upstream->last().send(
      {started(), called(0, "call-1", "find", R"({"q":"mellow"})"), finished("tool_calls")});
  run();
  CHECK(turn(turn_id).status() == v1::TURN_STATUS_AWAITING_TOOLS);
  std::string arguments;
  for (const auto& event : events->events)
    arguments += event.tool_call().arguments();
  CHECK(arguments == R"({"q":"mellow"})");
  auto results = message(id, "");
  results.set_kind(v1::POST_KIND_TOOL_RESULTS);
  auto* part = results.add_parts()->mutable_tool_result();
  part->set_call_id("call-1");
  part->set_content("a mellow one");
  REQUIRE(post(results));
  CHECK(upstream->last().request.messages().rbegin()->parts(0).tool_result().content()
        == "a ****** one");
}

TEST_CASE_FIXTURE(moderated_session, "without anything to look for, texts pass unseen") {
  words.replace({});
  upstream->on_start = echo();
  auto id = conversation();
  post(id, "what is hidden");
  CHECK(branch(id) == "user:what is hidden | assistant:echo: what is hidden");
  CHECK(words.probe->user.texts == 0);
  CHECK(words.probe->model.texts == 0);
}
