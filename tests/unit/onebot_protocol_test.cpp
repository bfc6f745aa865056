// OneBot v11 on the wire.
#include "actors/channels/onebot/normalise.hpp"

#include <doctest/doctest.h>

#include <nlohmann/json.hpp>
#include <random>

using namespace troupe;
using namespace troupe::onebot11;
using nlohmann::json;

namespace {

segment text(const std::string& t) { return {"text", {{"text", t}}}; }

template <class T>
T parsed(const std::string& frame_text) {
  auto result = parse_frame(frame_text);
  if (const auto* bad = std::get_if<malformed_frame>(&result))
    INFO(bad->why);
  REQUIRE(std::holds_alternative<T>(result));
  return std::get<T>(result);
}

json group_message(const json& message) {
  return {{"time", 1'700'000'000},
          {"self_id", 10001},
          {"post_type", "message"},
          {"message_type", "group"},
          {"sub_type", "normal"},
          {"message_id", -2147483648LL},
          {"group_id", 555},
          {"user_id", 777},
          {"message", message},
          {"raw_message", "raw"},
          {"anonymous", nullptr},
          {"sender", {{"user_id", 777}, {"nickname", "nick"}, {"card", "the card"}}}};
}

} // namespace

TEST_CASE("CQ escapes undo themselves, and unknown entities stay") {
  CHECK(escape_text("a&b[c],d") == "a&amp;b&#91;c&#93;,d");
  CHECK(escape_value("a,b") == "a&#44;b");
  CHECK(unescape("&amp;#91; &#91;&#44;&lt;&") == "&#91; [,&lt;&");
}

TEST_CASE("the string form of a message becomes segments") {
  CHECK(parse_cq("[CQ:at,qq=10001] hi &#91;x&#93;[CQ:face,id=14]")
        == segments{{"at", {{"qq", "10001"}}}, text(" hi [x]"), {"face", {{"id", "14"}}}});
  CHECK(parse_cq("[CQ:image,file=a.png,url=https://a/b?c=d&amp;e&#44;f]")
        == segments{{"image", {{"file", "a.png"}, {"url", "https://a/b?c=d&e,f"}}}});
  CHECK(parse_cq("[CQ:shake]") == segments{{"shake", {}}});
  CHECK(parse_cq("").empty());
}

TEST_CASE("what only looks like a CQ code is text") {
  for (const char* plain : {"[CQ:at,qq=1", "[CQ:]", "[CQ:a b]", "[cq:at]", "[CQ:,x=1]", "[CQ"})
    CHECK(parse_cq(plain) == segments{text(plain)});
  CHECK(parse_cq("[CQ:[CQ:shake]") == segments{text("[CQ:"), {"shake", {}}});
}

TEST_CASE("segments written in string form parse back to themselves") {
  const std::vector<std::string> atoms{"a",  "&",   "[",    "]",     ",",  "=",
                                       "你", "CQ:", "[CQ:", "&amp;", "\n", "[CQ:at,qq=1]"};
  for (unsigned seed = 0; seed < 2'000; ++seed) {
    CAPTURE(seed);
    std::mt19937 random{seed};
    std::string raw;
    for (auto count = random() % 20; count > 0; --count)
      raw += atoms[random() % atoms.size()];
    auto once = parse_cq(raw);
    CHECK(parse_cq(to_cq(once)) == once);
    segments made{text(raw + "x"), {"image", {{"url", raw}, {"file", raw}}}};
    CHECK(parse_cq(to_cq(made)) == made);
  }
}

TEST_CASE("a group message is understood in both message forms") {
  auto array = json::parse(R"([{"type":"at","data":{"qq":10001}},
    {"type":"text","data":{"text":" hi"}}])");
  for (const json& form : {array, json("[CQ:at,qq=10001] hi")}) {
    auto event = parsed<message_event>(group_message(form).dump());
    CHECK(event.group);
    CHECK(event.self_id == "10001");
    CHECK(event.group_id == "555");
    CHECK(event.user_id == "777");
    CHECK(event.message_id == "-2147483648");
    CHECK(event.sender_name == "the card");
    CHECK(event.time_us == 1'700'000'000'000'000);
    CHECK(event.message == segments{{"at", {{"qq", "10001"}}}, text(" hi")});
  }
}

TEST_CASE("ids may be numbers of 64 bits or strings, and nothing else") {
  auto event = group_message("hi");
  event["message_id"] = 18'446'744'073'709'551'615ULL;
  event["user_id"] = "u-7";
  CHECK(parsed<message_event>(event.dump()).message_id == "18446744073709551615");
  CHECK(parsed<message_event>(event.dump()).user_id == "u-7");
  for (json bad :
       {json(1.5), json(true), json::object(), json(std::string(65, '1')), json("a b")}) {
    event["user_id"] = bad;
    CHECK(parsed<malformed_frame>(event.dump()).why == "a message without user_id");
  }
  event = group_message("hi");
  event.erase("group_id");
  CHECK(parsed<malformed_frame>(event.dump()).why == "a group message without group_id");
}

TEST_CASE("meta events, and events Troupe has no use for") {
  auto beat = parsed<heartbeat_event>(
      R"({"post_type":"meta_event","meta_event_type":"heartbeat","self_id":1,"interval":5000,
          "status":{"online":false,"good":true}})");
  CHECK(beat.interval_ms == 5'000);
  CHECK(!beat.online);
  CHECK(parsed<lifecycle_event>(
            R"({"post_type":"meta_event","meta_event_type":"lifecycle","sub_type":"connect"})")
            .sub_type
        == "connect");
  CHECK(parsed<other_event>(R"({"post_type":"notice","notice_type":"group_ban"})").what
        == "notice.group_ban");
  CHECK(parsed<other_event>(R"({"post_type":"message_sent","message_type":"group"})").what
        == "message_sent.");
  CHECK(parsed<other_event>(R"({"post_type":"message","message_type":"guild"})").what
        == "message.guild");
  CHECK(parsed<other_event>(R"({"post_type":null})").what == ".");
}

TEST_CASE("an answer has its echo, its outcome and why it failed") {
  auto good =
      parsed<action_answer>(R"({"status":"ok","retcode":0,"data":{"message_id":42},"echo":"t1"})");
  CHECK(good.ok);
  CHECK(good.echo == "t1");
  CHECK(good.message_id == "42");
  CHECK(parsed<action_answer>(R"({"status":"async","retcode":1,"data":null,"echo":7})").ok);
  auto bad = parsed<action_answer>(
      R"({"status":"failed","retcode":1200,"message":"m","wording":"w","echo":"t1"})");
  CHECK(!bad.ok);
  CHECK(bad.error == "w");
  CHECK(!parsed<action_answer>(R"({"status":"failed","retcode":0,"echo":"t1"})").ok);
  auto quoted = parsed<action_answer>(
      R"({"status":"ok","retcode":0,"echo":"q","data":{"message_id":1,"message":"hi",
          "sender":{"nickname":"ann"}}})");
  CHECK(quoted.message == segments{text("hi")});
  CHECK(quoted.sender_name == "ann");
}

TEST_CASE("frames that are no OneBot are malformed, never more") {
  for (const char* bad :
       {"", "{", "[]", "null", "12", "{}", "\"x\"", "{\"a\":1}", "\xFF", "{\"a\":"})
    parsed<malformed_frame>(bad);
  auto deep =
      R"({"post_type":"message","x":)" + std::string(5'000, '[') + std::string(5'000, ']') + "}";
  CHECK(parsed<malformed_frame>(deep).why == "nested too deeply");
  for (const char* odd : {R"({"post_type":[]})", R"({"post_type":"meta_event","meta_event_type":
      "heartbeat","interval":-5,"status":[]})",
                          R"({"echo":null})", R"({"echo":{},"retcode":"0","data":[1,2]})"})
    CHECK(!std::holds_alternative<message_event>(parse_frame(odd)));
}

TEST_CASE("a message has at most so many segments") {
  auto many = json::array();
  for (std::size_t i = 0; i < segments_max + 100; ++i)
    many.push_back({{"type", "face"}, {"data", {{"id", i}}}});
  CHECK(parsed<message_event>(group_message(many).dump()).message.size() == segments_max);
  std::string codes;
  for (std::size_t i = 0; i < segments_max + 100; ++i)
    codes += "[CQ:face,id=1]";
  CHECK(parse_cq(codes).size() <= segments_max);
}

TEST_CASE("actions carry ids as numbers where they are numbers") {
  auto action = json::parse(send_group_msg("555", {text("hi")}, "t1"));
  CHECK(action["action"] == "send_group_msg");
  CHECK(action["echo"] == "t1");
  CHECK(action["params"]["group_id"] == 555);
  CHECK(action["params"]["message"] == json::parse(R"([{"type":"text","data":{"text":"hi"}}])"));
  action = json::parse(send_private_msg("u-7", "", {text("\xFF")}, "t2"));
  CHECK(action["params"]["user_id"] == "u-7");
  CHECK(!action["params"].contains("group_id"));
  CHECK(is_number("-5"));
  CHECK(!is_number("007"));
  CHECK(!is_number("99999999999999999999"));
  CHECK(!is_number(""));
}

TEST_CASE("a mention of the bot and a quote become fields, other segments readable text") {
  auto said = read_segments({{"reply", {{"id", "41"}}},
                             {"at", {{"qq", "10001"}}},
                             text(" look at "),
                             {"at", {{"qq", "777"}, {"name", "ann"}}},
                             {"face", {{"id", "14"}}},
                             {"image", {{"file", "x.png"}, {"url", "https://a/x.png"}}},
                             {"image", {{"file", "base64://AAAA"}}},
                             {"json", {{"data", R"({"prompt":"[a card]"})"}}},
                             {"at", {{"qq", "all"}}},
                             {"newthing", {}}},
                            "10001");
  CHECK(said.mentions_bot);
  CHECK(said.quoted_message_id == "41");
  REQUIRE(said.parts.size() == 3);
  CHECK(said.parts[0].text().text() == "look at @ann[face: 14]");
  CHECK(said.parts[1].image().url() == "https://a/x.png");
  CHECK(said.parts[2].text().text() == "[image][card: [a card]]@all[newthing]");
  CHECK(!read_segments({{"at", {{"qq", "all"}}}}, "10001").mentions_bot);
  CHECK(!read_segments({{"at", {}}}, "").mentions_bot);
}

TEST_CASE("anonymous members and temporary chats have addresses of their own") {
  auto event = group_message("hi");
  event["anonymous"] = {{"id", 9}, {"name", "masked"}, {"flag", "f"}};
  auto inbound = inbound_message(parsed<message_event>(event.dump()), "10001", "qq");
  CHECK(inbound.from().user_id() == "anonymous:9");
  CHECK(inbound.sender_name() == "masked");
  auto answer = reply_segments(inbound.from(), "hello", true);
  REQUIRE(answer.size() == 2);
  CHECK(answer[0].type == "reply");

  event = group_message("hi");
  event["message_type"] = "private";
  event["sub_type"] = "group";
  inbound = inbound_message(parsed<message_event>(event.dump()), "10001", "qq");
  CHECK(inbound.from().chat_id() == "777@555");
  auto action = json::parse(send_action(inbound.from(), {text("hello")}, "t"));
  CHECK(action["action"] == "send_private_msg");
  CHECK(action["params"]["user_id"] == 777);
  CHECK(action["params"]["group_id"] == 555);
}

TEST_CASE("in a group the first piece quotes and mentions, the others do not") {
  v1::ReplyAddress to;
  to.set_group(true);
  to.set_chat_id("555");
  to.set_user_id("777");
  to.set_message_id("42");
  CHECK(reply_segments(to, "hi", true)
        == segments{{"reply", {{"id", "42"}}}, {"at", {{"qq", "777"}}}, text(" hi")});
  CHECK(reply_segments(to, "hi", false) == segments{text("hi")});
  segment image{"image", {{"file", "https://a/1.png"}}};
  CHECK(reply_image(to, "https://a/1.png", true)
        == segments{{"reply", {{"id", "42"}}}, {"at", {{"qq", "777"}}}, image});
  CHECK(reply_image(to, "https://a/1.png", false) == segments{image});
  to.set_group(false);
  CHECK(reply_segments(to, "hi", true) == segments{text("hi")});
}
