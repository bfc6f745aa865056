// Keywords in the way of a turn: who is answered, by what, and what the model reads instead.
#include "actors/keywords/keyword_kind.hpp"
#include "actors/keywords/stages.hpp"

#include <doctest/doctest.h>

#include <memory>
#include <optional>
#include <string>
#include <vector>

using namespace troupe;
using namespace troupe::keywords;

namespace {

struct stage_fixture {
  stage_fixture() { make(); }

  void make(bool api = false) {
    keyword_stage_options options;
    options.live = live;
    options.usage = usage;
    options.api = api;
    options.clock = clock;
    options.random = [] { return std::uint64_t{0}; };
    stage = std::make_unique<keyword_stage>(std::move(options));
  }
  void rules(std::vector<std::string> bodies) {
    rulesets::loaded_ruleset set;
    set.ruleset.set_name("s");
    set.bodies = std::move(bodies);
    keyword_kind{live}.put_to_work({set});
  }
  static v1::Turn turn_of(const std::string& channel = "onebot") {
    v1::Turn turn;
    turn.set_message_id("m");
    auto& to = *turn.mutable_reply_to();
    to.set_channel(channel);
    to.set_account("qq");
    to.set_chat_id("42");
    to.set_user_id("7");
    return turn;
  }
  static v1::StartCompletion request_of(const std::string& text) {
    v1::StartCompletion request;
    auto& before = *request.add_messages();
    before.set_role(v1::ROLE_ASSISTANT);
    before.add_parts()->mutable_text()->set_text("What do you want?");
    auto& message = *request.add_messages();
    message.set_id("m");
    message.set_role(v1::ROLE_USER);
    message.set_author("Ann");
    message.add_parts()->mutable_text()->set_text(text);
    return request;
  }
  window_stage::verdict examine(const v1::Turn& turn, v1::StartCompletion request) {
    std::optional<window_stage::verdict> out;
    stage->examine({}, turn, std::move(request),
                   [&](window_stage::verdict verdict) { out = std::move(verdict); });
    REQUIRE(out);
    return std::move(*out);
  }
  /// What is answered; "" if the model is asked.
  std::string answer(const std::string& text, const v1::Turn& turn = turn_of()) {
    auto verdict = examine(turn, request_of(text));
    auto* ready = std::get_if<ready_answer>(&verdict);
    return ready == nullptr ? "" : ready->text;
  }

  std::shared_ptr<manual_clock> clock = std::make_shared<manual_clock>(1'700'000'000'000'000);
  std::shared_ptr<live_rules> live = std::make_shared<live_rules>();
  std::shared_ptr<rule_usage> usage = std::make_shared<rule_usage>(100, counting_options(0));
  std::unique_ptr<keyword_stage> stage;
};

} // namespace

TEST_CASE_FIXTURE(stage_fixture, "a rule answers instead of the model, and is counted") {
  CHECK(answer("hello") == ""); // no rules yet
  rules({R"({"id":"a","text":"hello","answers":["Hello, {user} in {channel}!"]})"});
  CHECK(answer("oh hello") == "Hello, Ann in onebot!");
  CHECK(answer("something else") == "");
  CHECK(usage->counts().answered.load() == 1);
  CHECK(usage->counts().unmatched.load() == 2);
  auto top = usage->counted().top(statistics::unit::hour, 0, clock->now_us() + 1, "onebot", 5);
  REQUIRE(top.size() == 1);
  CHECK(top[0].keyword == "s/a");
  CHECK(top[0].at_least == 1);
}

TEST_CASE_FIXTURE(stage_fixture, "scopes hold: channel, account, group, user") {
  rules({R"({"id":"a","text":"hello","answers":["1"],
      "scope":{"channels":["onebot"],"accounts":["qq"],"users":["7"],"chats":"private"}})"});
  CHECK(answer("hello") == "1");
  CHECK(answer("hello", turn_of("wecom")) == "");
  for (auto change : {+[](v1::ReplyAddress& to) { to.set_account("other"); },
                      +[](v1::ReplyAddress& to) { to.set_user_id("8"); },
                      +[](v1::ReplyAddress& to) { to.set_group(true); }}) {
    auto turn = turn_of();
    change(*turn.mutable_reply_to());
    CHECK(answer("hello", turn) == "");
  }
}

TEST_CASE_FIXTURE(stage_fixture, "conversations of the API are answered only if that is wanted") {
  rules({R"({"id":"a","text":"hello","answers":["{channel}"]})"});
  v1::Turn turn;
  turn.set_message_id("m");
  CHECK(answer("hello", turn) == "");
  make(true);
  CHECK(answer("hello", turn) == "api");
}

TEST_CASE_FIXTURE(stage_fixture, "only the first step of a turn is looked at") {
  rules({R"({"id":"a","text":"hello","answers":["1"]})"});
  auto turn = turn_of();
  turn.set_step(1);
  CHECK(answer("hello", turn) == "");
  auto request = request_of("hello");
  request.add_messages()->set_role(v1::ROLE_TOOL);
  auto verdict = examine(turn_of(), request);
  CHECK(std::holds_alternative<v1::StartCompletion>(verdict));
}

TEST_CASE_FIXTURE(stage_fixture, "a prompt takes the message's place, for the model alone") {
  rules({R"({"id":"a","kind":"pattern","text":"weather in {city}",
      "answers":[{"text":"Tell the weather in {city}.","prompt":true}]})"});
  auto request = request_of("weather in Oslo");
  request.mutable_messages(1)->add_parts()->mutable_image()->set_url("https://a/1.png");
  auto verdict = examine(turn_of(), request);
  auto* changed = std::get_if<v1::StartCompletion>(&verdict);
  REQUIRE(changed);
  const auto& message = changed->messages(1);
  REQUIRE(message.parts_size() == 2);
  CHECK(message.parts(0).text().text() == "Tell the weather in Oslo.");
  CHECK(message.parts(1).image().url() == "https://a/1.png");
  CHECK(message.author() == "Ann");
  CHECK(usage->counts().prompted.load() == 1);
}

TEST_CASE_FIXTURE(stage_fixture,
                  "a rule that rests leaves the word to the next one, or the model") {
  rules({R"({"id":"a","text":"hello","answers":["1"],"priority":2,"cooldown_ms":5000})",
         R"({"id":"b","text":"hello","answers":["2"],"priority":1,"cooldown_ms":2000})"});
  CHECK(answer("hello") == "1");
  CHECK(answer("hello") == "2");
  CHECK(answer("hello") == "");
  clock->advance_us(2'000'000);
  CHECK(answer("hello") == "2");
  clock->advance_us(3'000'000);
  CHECK(answer("hello") == "1");
  // Each chat has its own.
  auto other = turn_of();
  other.mutable_reply_to()->set_chat_id("43");
  CHECK(answer("hello", other) == "1");
}

TEST_CASE_FIXTURE(stage_fixture,
                  "pictures with a link go as pictures, names of stored ones as text") {
  rules({R"({"id":"a","text":"map","answers":[{"text":"Here:",
      "images":["https://a/map.png","media:map"]}]})"});
  auto verdict = examine(turn_of(), request_of("map"));
  auto* ready = std::get_if<ready_answer>(&verdict);
  REQUIRE(ready);
  CHECK(ready->text == "Here:\nmedia:map");
  REQUIRE(ready->images.size() == 1);
  CHECK(ready->images[0].url() == "https://a/map.png");
}

TEST_CASE("what a message quotes is not what its sender says") {
  auto own = [](const std::string& text) {
    v1::Message message;
    message.add_parts()->mutable_text()->set_text(text);
    return own_text(message);
  };
  CHECK(own("hello") == "hello");
  CHECK(own("> Bob: hello\n> you\n\nwhat?") == "what?");
  CHECK(own("> hello") == "");
  CHECK(own(">hello") == ">hello");
  v1::Message two;
  two.add_parts()->mutable_text()->set_text("a");
  two.add_parts()->mutable_image()->set_url("https://a/1.png");
  two.add_parts()->mutable_text()->set_text("b");
  CHECK(own_text(two) == "a\nb");
}
