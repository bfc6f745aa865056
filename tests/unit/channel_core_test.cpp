// Session keys, dedupe keys, triggers, commands.
#include "actors/channels/core/address.hpp"
#include "actors/channels/core/answer.hpp"
#include "actors/channels/core/backoff.hpp"
#include "actors/channels/core/command.hpp"
#include "actors/channels/core/text.hpp"
#include "actors/channels/core/trigger.hpp"
#include "messages/id.hpp"

#include <doctest/doctest.h>

#include <set>

using namespace troupe;
using namespace troupe::channels;

namespace {

v1::ReplyAddress address(bool group, const std::string& chat, const std::string& user,
                         const std::string& account = "qq") {
  v1::ReplyAddress from;
  from.set_channel("onebot");
  from.set_account(account);
  from.set_group(group);
  from.set_chat_id(chat);
  from.set_user_id(user);
  return from;
}

v1::InboundMessage message(const v1::ReplyAddress& from, const std::string& text) {
  v1::InboundMessage m;
  *m.mutable_from() = from;
  add_text(*m.mutable_parts(), text);
  return m;
}

std::string text_of(const v1::InboundMessage& m) { return plain_text(m.parts()); }

} // namespace

TEST_CASE("a session key names the chat, and the member where each has a memory of their own") {
  CHECK(session_key(address(false, "7", "7"), group_sessions::member) == "onebot:qq:private:7");
  CHECK(session_key(address(true, "5", "7"), group_sessions::member)
        == "onebot:qq:group:5:member:7");
  CHECK(session_key(address(true, "5", "7"), group_sessions::shared) == "onebot:qq:group:5");
}

TEST_CASE("no two chats share a session key, whatever their ids are made of") {
  const std::vector<std::string> ids{"1",
                                     "1:member:2",
                                     "2",
                                     "%3A",
                                     ":",
                                     "private",
                                     "",
                                     "~",
                                     "1%3Amember",
                                     "%",
                                     "a\nb",
                                     std::string(65, 'x'),
                                     std::string(66, 'x'),
                                     "~" + std::string(64, '0')};
  std::set<std::string> keys;
  std::size_t chats = 0;
  for (const auto& account : ids)
    for (const auto& chat : ids) {
      keys.insert(session_key(address(false, chat, chat, account), group_sessions::member));
      keys.insert(session_key(address(true, chat, "", account), group_sessions::shared));
      chats += 2;
      for (const auto& user : ids) {
        keys.insert(session_key(address(true, chat, user, account), group_sessions::member));
        ++chats;
      }
    }
  CHECK(keys.size() == chats);
  for (const auto& key : keys) {
    CHECK(key.find('\n') == std::string::npos);
    CHECK(key.find('#') == std::string::npos);
    CHECK(later_session_key(key, "reset").size() <= 255);
  }
}

TEST_CASE("two members of a group, and one member in two groups, have sessions of their own") {
  auto key = [](const char* chat, const char* user) {
    return session_key(address(true, chat, user), group_sessions::member);
  };
  CHECK(key("5", "7") != key("5", "8"));
  CHECK(key("5", "7") != key("6", "7"));
  CHECK(key("5", "7") != session_key(address(false, "7", "7"), group_sessions::member));
}

TEST_CASE("a dedupe key is the platform's message id within its chat and account") {
  auto one = message(address(true, "5", "7"), "hi");
  one.mutable_from()->set_message_id("42");
  CHECK(dedupe_key(one) == "onebot:qq:group:5:42");
  auto again = message(address(true, "5", "7"), "the text may come differently");
  again.mutable_from()->set_message_id("42");
  CHECK(dedupe_key(again) == dedupe_key(one));
  for (auto other :
       {address(true, "6", "7"), address(false, "5", "5"), address(true, "5", "7", "other")}) {
    auto m = message(other, "hi");
    m.mutable_from()->set_message_id("42");
    CHECK(dedupe_key(m) != dedupe_key(one));
  }
}

TEST_CASE("without a message id everything that identifies the message counts") {
  auto base = message(address(true, "5", "7"), "hi");
  base.set_sent_us(1'000);
  CHECK(dedupe_key(base) == dedupe_key(v1::InboundMessage{base}));
  std::set<std::string> keys{dedupe_key(base)};
  auto changed = [&](auto change) {
    v1::InboundMessage m = base;
    change(m);
    CHECK(keys.insert(dedupe_key(m)).second);
  };
  changed([](auto& m) { m.set_sent_us(2'000); });
  changed([](auto& m) { m.mutable_from()->set_user_id("8"); });
  changed([](auto& m) { m.mutable_from()->set_chat_id("6"); });
  changed([](auto& m) { m.set_sender_name("x"); });
  changed([](auto& m) { m.mutable_parts(0)->mutable_text()->set_text("ho"); });
  changed([](auto& m) { m.mutable_parts()->Add()->mutable_image()->set_url("http://a"); });
  changed([](auto& m) { m.set_quoted_message_id("1"); });
}

TEST_CASE("a conversation's id follows from its key and salt") {
  auto id = conversation_id_for("onebot:qq:private:7");
  CHECK(is_id(id));
  CHECK(id[14] == '8');
  CHECK(id == conversation_id_for("onebot:qq:private:7"));
  CHECK(id != conversation_id_for("onebot:qq:private:8"));
  CHECK(id != conversation_id_for("onebot:qq:private:7", "reset"));
}

TEST_CASE("a private message is for the bot; a group message by mention or prefix") {
  trigger_rules rules;
  rules.prefixes = {"", "#", "#ask", "bot"};
  auto decide = [&](v1::InboundMessage m) { return apply_trigger(rules, m); };
  CHECK(decide(message(address(false, "7", "7"), "hi")) == trigger::private_chat);
  CHECK(decide(message(address(true, "5", "7"), "hi")) == trigger::none);
  CHECK(decide(message(address(true, "5", "7"), "bottle")) == trigger::none);
  CHECK(decide(message(address(true, "5", "7"), "bot, hi")) == trigger::prefix);
  CHECK(decide(message(address(true, "5", "7"), "bot")) == trigger::prefix);
  auto mention = message(address(true, "5", "7"), "hi");
  mention.set_mentions_bot(true);
  CHECK(decide(mention) == trigger::mention);
  rules.mention = false;
  CHECK(decide(mention) == trigger::none);
  rules.group_chats = false;
  CHECK(decide(message(address(true, "5", "7"), "#hi")) == trigger::none);
  rules.private_chats = false;
  CHECK(decide(message(address(false, "7", "7"), "hi")) == trigger::none);
}

TEST_CASE("the longest prefix that fits is taken off, with the white space around the text") {
  trigger_rules rules;
  rules.prefixes = {"#", "#ask", "小助手"};
  auto stripped = [&](const std::string& text) {
    auto m = message(address(true, "5", "7"), text);
    apply_trigger(rules, m);
    return text_of(m);
  };
  CHECK(stripped("  #ask  what? ") == "what?");
  CHECK(stripped("#what?") == "what?");
  CHECK(stripped("小助手　你好") == "你好");
  CHECK(stripped("what #ask?") == "what #ask?");
  rules.prefixes.push_back("/");
  CHECK(stripped("/reset") == "/reset");
  CHECK(stripped("/what?") == "what?");
  v1::InboundMessage picture;
  *picture.mutable_from() = address(true, "5", "7");
  picture.mutable_parts()->Add()->mutable_image()->set_url("http://a/1.png");
  add_text(*picture.mutable_parts(), "#ask");
  CHECK(apply_trigger(rules, picture) == trigger::prefix);
  CHECK(picture.parts_size() == 1);
}

TEST_CASE("a command is the whole message, in any case or in Chinese") {
  CHECK(parse_command(" /Help ") == command::help);
  CHECK(parse_command("/reset") == command::reset);
  CHECK(parse_command("/停止") == command::stop);
  CHECK(!parse_command("/reset the router, how?"));
  CHECK(!parse_command("reset"));
  CHECK(!parse_command("/"));
  CHECK(!parse_command(""));
  CHECK(help_text().find("/reset /重置") != std::string::npos);
}

TEST_CASE("text is trimmed and clipped at characters, and made valid") {
  CHECK(trimmed("　 \t你好\n　") == "你好");
  CHECK(trimmed(" \n").empty());
  CHECK(clipped("你好世界", 4) == "你好世界");
  CHECK(clipped("你好世界", 3) == "你好…");
  CHECK(valid_utf8("a\xE4\xBDz") == "a\uFFFDz");
  CHECK(code_points("a你👍") == 3);
}

TEST_CASE("an answer's parts become plain text, and pictures") {
  v1::Message m;
  add_text(*m.mutable_parts(), "Look:");
  m.mutable_parts()->Add()->mutable_image()->set_url("https://a/1.png");
  m.mutable_parts()->Add()->mutable_reasoning()->set_text("secret thoughts");
  m.mutable_parts()->Add()->mutable_image()->set_data("bytes");
  m.mutable_parts()->Add()->mutable_file()->set_name("notes.txt");
  add_text(*m.mutable_parts(), "done");
  auto pieces = answer_pieces(m, 21);
  REQUIRE(pieces.size() == 3);
  CHECK(pieces[0].size() == 1);
  CHECK(pieces[0][0].text().text() == "Look:\n[image]");
  CHECK(pieces[1][0].text().text() == "[notes.txt]\ndone");
  CHECK(pieces[2][0].image().url() == "https://a/1.png");
  CHECK(answer_pieces({}, 21).empty());
  CHECK(plain_text(m.parts()) == "Look:\nhttps://a/1.png\n[image]\n[notes.txt]\ndone");
}

TEST_CASE("back-off doubles up to its ceiling and its jitter covers the whole range") {
  backoff wait{500, 8'000};
  CHECK(wait.ceiling_ms(0) == 500);
  CHECK(wait.ceiling_ms(3) == 4'000);
  CHECK(wait.ceiling_ms(4) == 8'000);
  CHECK(wait.ceiling_ms(1'000) == 8'000);
  std::mt19937_64 random{1};
  std::int64_t low = 8'000;
  std::int64_t high = 0;
  for (int i = 0; i < 1'000; ++i) {
    auto ms = wait.delay_ms(10, random);
    low = std::min(low, ms);
    high = std::max(high, ms);
  }
  CHECK(low < 100);
  CHECK(high > 7'900);
  CHECK(high <= 8'000);
}
