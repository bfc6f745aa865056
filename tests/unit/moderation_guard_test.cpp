// The guard of what passes: what goes on, what is refused, and what is told of it.
#include "messages/error.hpp"
#include "messages/id.hpp"
#include "tests/support/word_guard.hpp"

#include <doctest/doctest.h>

#include <random>

using namespace troupe;
using namespace troupe::moderation;
using test::word;
using test::word_guard;

namespace {

constexpr auto user = v1::TEXT_DIRECTION_USER;
constexpr auto model = v1::TEXT_DIRECTION_MODEL;

std::vector<entry> some_words() {
  return {word("mellow", action::mask), word("orchid", action::replace, "flowers"),
          word("hidden", action::block, "secrets", 7), word("note", action::review),
          word("paper", action::log)};
}

/// What comes of a text that comes in these pieces; "!" at its end if it was blocked.
std::string streamed(const text_guard& guard, const std::vector<std::string>& pieces,
                     const text_origin& origin = {}) {
  auto one = guard.open(model, origin);
  std::string out;
  for (const auto& piece : pieces)
    if (one->push(piece, out))
      return out + "!";
  return one->finish(out) ? out + "!" : out;
}

} // namespace

TEST_CASE("a text without a hit goes on as it is, and is counted") {
  word_guard words{some_words()};
  auto verdict = words.guard->check("all is well", user, {});
  REQUIRE(verdict);
  CHECK(!*verdict);
  CHECK(words.hits().empty());
  CHECK(words.probe->user.texts == 1);
  CHECK(words.probe->user.bytes == 11);
  CHECK(words.probe->model.texts == 0);
}

TEST_CASE("hits are masked or replaced, or only told, as their entries say") {
  word_guard words{some_words()};
  auto changed = words.guard->check("mellow orchids on paper: note it", user, {});
  REQUIRE(changed);
  REQUIRE(*changed);
  CHECK(**changed == "****** [gone]s on paper: note it");
  CHECK(words.told() == "mask:test:mellow replace:flowers:orchid log:test:paper review:test:note");
  auto noted = words.guard->check("a paper note", user, {});
  REQUIRE(noted);
  CHECK(!*noted);
  CHECK(words.probe->user.changed == 1);
  CHECK(words.probe->user.blocked == 0);
}

TEST_CASE("a text with a hit to block is refused in the words of the configuration") {
  config::moderation_section section;
  section.refusal = "Not here.";
  word_guard words{some_words(), section};
  auto verdict = words.guard->check("what is hidden", user, {});
  REQUIRE(!verdict);
  CHECK(info(verdict.error()).code == ec::content_filtered);
  CHECK(describe(verdict.error()) == "Not here.");
  CHECK(words.probe->user.blocked == 1);
}

TEST_CASE("an audited hit has who, where and what, but not the text around it") {
  word_guard words{some_words()};
  text_origin from{"key-1", "acme", "onebot", "bot", "u-7", "conversation", "turn", "request"};
  CHECK(!words.guard->check("around HIDDEN around", user, from));
  auto hits = words.hits();
  REQUIRE(hits.size() == 1);
  const auto& hit = hits[0];
  CHECK(is_id(hit.id()));
  CHECK(hit.at_us() > 0);
  CHECK(hit.direction() == user);
  CHECK(hit.action() == "block");
  CHECK(hit.category() == "secrets");
  CHECK(hit.level() == 7);
  CHECK(hit.entry() == "hidden");
  CHECK(hit.text() == "HIDDEN");
  CHECK(hit.ruleset() == "words");
  CHECK(hit.ruleset_version() == 3);
  CHECK(hit.principal_id() == "key-1");
  CHECK(hit.tenant_id() == "acme");
  CHECK(hit.channel() == "onebot");
  CHECK(hit.account() == "bot");
  CHECK(hit.user_id() == "u-7");
  CHECK(hit.conversation_id() == "conversation");
  CHECK(hit.turn_id() == "turn");
  CHECK(hit.request_id() == "request");
  CHECK(hit.SerializeAsString().find("around") == std::string::npos);
}

TEST_CASE("entries of a channel hold for it alone") {
  auto one = word("mellow", action::block);
  one.channel = "onebot";
  word_guard words{{one}};
  CHECK(words.guard->check("mellow", user, {}));
  text_origin from;
  from.channel = "onebot";
  CHECK(!words.guard->check("mellow", user, from));
  CHECK(streamed(*words.guard, {"mel", "low"}) == "mellow");
  CHECK(streamed(*words.guard, {"mel", "low"}, from) == "!");
}

TEST_CASE("a stream holds back only what could become a hit") {
  word_guard words{some_words()};
  auto one = words.guard->open(model, {});
  std::string out;
  CHECK(!one->push("a mel", out));
  CHECK(out.starts_with("a"));
  CHECK(out.find("mel") == std::string::npos);
  CHECK(one->held_bytes() > 0);
  CHECK(!one->push("on", out));
  CHECK(!one->finish(out));
  CHECK(out == "a melon");
  CHECK(words.hits().empty());
  CHECK(words.probe->model.texts == 1);
  CHECK(words.probe->model.bytes == 7);
}

TEST_CASE("a stream ends before a hit to block, and nothing goes on after it") {
  word_guard words{some_words()};
  auto one = words.guard->open(model, {});
  std::string out;
  CHECK(!one->push("what is hid", out));
  auto refused = one->push("den, and mellow", out);
  CHECK(info(refused).code == ec::content_filtered);
  CHECK(out == "what is ");
  CHECK(one->push("more", out));
  CHECK(one->finish(out));
  CHECK(out == "what is ");
  CHECK(words.told() == "block:secrets:hidden");
}

TEST_CASE("however an answer is cut, what goes on and what is told are the same") {
  std::mt19937 random{7};
  const std::vector<std::string> bits{"mellow", "mel", "low",  "orchid", "h i d d e n", "hidden",
                                      "paper",  " ",   "note", "敏感",   "x",           "."};
  for (int round = 0; round < 300; ++round) {
    std::string text;
    for (auto n = random() % 12; n > 0; --n)
      text += bits[random() % bits.size()];
    word_guard whole{some_words()}, cut{some_words()};
    auto expected = streamed(*whole.guard, {text});
    std::vector<std::string> pieces;
    for (std::size_t at = 0; at < text.size();) {
      auto length = 1 + random() % 5;
      pieces.push_back(text.substr(at, length));
      at += length;
    }
    CAPTURE(text);
    REQUIRE(streamed(*cut.guard, pieces) == expected);
    REQUIRE(cut.told() == whole.told());
    auto checked = whole.guard->check(text, model, {});
    REQUIRE(static_cast<bool>(checked) == !expected.ends_with("!"));
    if (checked)
      REQUIRE((*checked ? **checked : text) == expected);
  }
}

TEST_CASE("a text with thousands of hits is changed whole, and told in part") {
  word_guard words{some_words()};
  std::string text, expected;
  for (int i = 0; i < 5'000; ++i) {
    text += "mellow ";
    expected += "****** ";
  }
  auto changed = words.guard->check(text, user, {});
  REQUIRE(changed);
  REQUIRE(*changed);
  CHECK(**changed == expected);
  CHECK(words.hits().size() == audited_hits_max);
  CHECK(words.probe->hits_unaudited == 5'000 - audited_hits_max);
  CHECK(words.probe->user.texts == 1);
  CHECK(words.probe->user.changed == 1);
}

TEST_CASE("hits beyond those that may wait are dropped and counted") {
  config::moderation_section section;
  section.hits_buffer_max = 2;
  word_guard words{some_words(), section};
  for (int i = 0; i < 5; ++i)
    CHECK(words.guard->check("mellow", user, {}));
  CHECK(words.hits().size() == 2);
  CHECK(words.probe->hits_waiting == 2);
  CHECK(words.probe->hits_dropped == 3);
}

TEST_CASE("what is watched follows the configuration, and whether there is anything to look for") {
  config::moderation_section section;
  word_guard all{some_words(), section};
  for (auto direction : {user, model})
    for (auto way : {text_way::api, text_way::conversation})
      CHECK(all.guard->watches(direction, way));
  all.replace({});
  CHECK(!all.guard->watches(user, text_way::conversation));
  section.api = false;
  section.model_text = false;
  word_guard some{some_words(), section};
  CHECK(some.guard->watches(user, text_way::conversation));
  CHECK(!some.guard->watches(user, text_way::api));
  CHECK(!some.guard->watches(model, text_way::conversation));
}

TEST_CASE("a stream that began goes on by the words it began with") {
  word_guard words{some_words()};
  auto one = words.guard->open(model, {});
  std::string out;
  CHECK(!one->push("mel", out));
  words.replace({});
  CHECK(!one->push("low", out));
  CHECK(!one->finish(out));
  CHECK(out == "******");
  CHECK(streamed(*words.guard, {"mellow"}) == "mellow");
}
