#include "gateway/api/conversation_json.hpp"
#include "gateway/api/key_json.hpp"
#include "gateway/api/turn_reading.hpp"

#include <doctest/doctest.h>

using namespace troupe;
using namespace troupe::gateway;
using nlohmann::json;

namespace {

const std::string some_id = "0190163d-8694-739b-aea5-966c26f8ad91";

template <class Read>
std::string refusal(Read read, const std::string& body) {
  auto value = read(body, api_limits{});
  return value ? std::string{"taken"} : describe(value.error());
}

std::string post_refusal(const json& body) { return refusal(read_post, body.dump()); }

std::string part_refusal(const json& part) {
  return post_refusal({{"content", json::array({part})}});
}

std::string tool_refusal(const json& tools) {
  return refusal(read_create, json{{"tools", tools}}.dump());
}

json tool(const json& function) {
  return json::array({{{"type", "function"}, {"function", function}}});
}

v1::TurnEvent text_event(std::int64_t seq, const std::string& text) {
  v1::TurnEvent event;
  event.set_seq(seq);
  event.mutable_delta()->set_text(text);
  return event;
}

v1::TurnEvent message_event(std::int64_t seq, const std::string& id, bool calls) {
  v1::TurnEvent event;
  event.set_seq(seq);
  auto& message = *event.mutable_message()->mutable_message();
  message.set_id(id);
  message.set_role(v1::ROLE_ASSISTANT);
  message.set_finish_reason(calls ? "tool_calls" : "stop");
  if (calls)
    message.add_parts()->mutable_tool_call()->set_call_id("c1");
  return event;
}

} // namespace

TEST_CASE("a conversation is created from an empty body, from nothing but defaults, or from all") {
  CHECK(read_create("", {})->conversation().model().empty());
  CHECK(read_create("{}", {})->conversation().model().empty());
  json body{{"title", "T"},
            {"system_prompt", "S"},
            {"model", "m"},
            {"params", {{"temperature", 0.5}, {"stop", {"x"}}, {"top_k", 3}}},
            {"tools", tool({{"name", "f"}, {"parameters", json::object()}, {"strict", nullptr}})}};
  auto made = read_create(body.dump(), {});
  REQUIRE(made);
  CHECK(made->conversation().title() == "T");
  CHECK(made->conversation().system_prompt() == "S");
  CHECK(made->conversation().model() == "m");
  CHECK(json::parse(made->conversation().params_json()) == body["params"]);
  CHECK(json::parse(made->conversation().tools_json()) == body["tools"]);
}

TEST_CASE("a change of a conversation carries the fields present and no others") {
  auto change = read_update(R"({"model":null,"tools":null,"title":""})", {});
  REQUIRE(change);
  CHECK(change->has_model());
  CHECK(change->model().empty());
  CHECK(change->tools_json() == "[]");
  CHECK(change->has_title());
  CHECK_FALSE(change->has_system_prompt());
  CHECK_FALSE(change->has_leaf_id());
  CHECK(refusal(read_update, "{}").starts_with("nothing to change"));
  CHECK(refusal(read_update, R"({"leaf_id":null})")
        == "leaf_id must be the id of a message of this conversation");
  CHECK(refusal(read_update, R"({"owner_id":"me"})").starts_with("owner_id is not a field here"));
}

TEST_CASE("sampling parameters are checked where they are known and pass on where not") {
  auto fault = [](const json& params) {
    return refusal(read_create, json{{"params", params}}.dump());
  };
  CHECK(fault({{"logit_bias", {{"50256", -100}}}, {"seed", -7}}) == "taken");
  CHECK(fault(nullptr) == "taken");
  CHECK(fault(3) == "params must be an object of sampling parameters, or null");
  CHECK(fault({{"temperature", 2.1}}) == "params.temperature must be a number from 0 to 2");
  CHECK(fault({{"top_p", "1"}}) == "params.top_p must be a number from 0 to 1");
  CHECK(fault({{"max_tokens", 0}}) == "params.max_tokens must be an integer from 1 to 10000000");
  CHECK(fault({{"seed", 1.5}}).starts_with("params.seed must be an integer"));
  for (const auto* name : {"model", "messages", "tools", "stream", "stream_options", "n"})
    CHECK(fault({{name, 1}})
              .starts_with("params." + std::string{name} + " is not a sampling parameter: "));
  CHECK(fault({{"stop", std::string(20'000, 'x')}})
        == "params must be at most 16384 bytes of JSON");
}

TEST_CASE("tools are functions with good names, each once") {
  CHECK(tool_refusal(json::array()) == "taken");
  CHECK(tool_refusal(3) == "tools must be an array of at most 128 tools, or null");
  CHECK(tool_refusal(json::array({1})) == "tools[0] must be an object");
  CHECK(tool_refusal({{{"type", "browser"}}}) == "tools[0].type must be one of function");
  CHECK(tool_refusal({{{"type", "function"}}}).starts_with("tools[0].function is missing"));
  CHECK(
      tool_refusal(tool({{"name", "a b"}})).starts_with("tools[0].function.name must be 1 to 64"));
  CHECK(tool_refusal(tool({{"parameters", json::object()}}))
            .starts_with("tools[0].function.name is missing"));
  CHECK(tool_refusal(tool({{"name", "f"}, {"parameters", "x"}}))
        == "tools[0].function.parameters must be an object: a JSON schema");
  CHECK(tool_refusal(tool({{"name", "f"}, {"colour", 1}}))
            .starts_with("tools[0].function.colour is not a field here"));
  auto twice = tool({{"name", "f"}});
  twice.push_back(twice[0]);
  CHECK(tool_refusal(twice) == "tools[1].function.name must be unique among the tools");
  CHECK(tool_refusal(json(std::vector<int>(129))).starts_with("tools must be an array of at most"));
}

TEST_CASE("a posted message is text or parts, and every part is checked") {
  auto posted = read_post(R"({"content":"hello"})", {});
  REQUIRE(posted);
  CHECK(posted->kind() == v1::POST_KIND_MESSAGE);
  CHECK(posted->parts(0).text().text() == "hello");
  CHECK(post_refusal(json::object()) == "content is missing: it must be text or an array of parts");
  CHECK(post_refusal({{"content", ""}}) == "content must be a string of 1 to 1048576 bytes");
  CHECK(post_refusal({{"content", 1}})
        == "content must be text or an array of parts, 1 to 64 of them");
  CHECK(post_refusal({{"content", json::array()}})
        == "content must be text or an array of parts, 1 to 64 of them");
  CHECK(post_refusal({{"content", std::string(1'048'577, 'x')}})
        == "content must be a string of 1 to 1048576 bytes");
  CHECK(part_refusal("x") == "content[0] must be an object");
  CHECK(part_refusal({{"type", "tool_call"}})
        == "content[0].type must be one of text, image, audio, file");
  CHECK(part_refusal({{"type", "text"}}) == "content[0].text is missing: it must be a string");
  CHECK(part_refusal({{"type", "text"}, {"text", "x"}, {"size", 1}})
        == "content[0].size is not a field here; known are type, text");
  CHECK(part_refusal({{"type", "image"}}) == "content[0].type needs exactly one of url and data");
  CHECK(part_refusal({{"type", "image"}, {"url", "https://x/y"}, {"data", "AP8="}})
        == "content[0].type needs exactly one of url and data");
  CHECK(part_refusal({{"type", "image"}, {"url", "file:///etc/passwd"}})
        == "content[0].url must be an http or https address; send bytes as base64 in data");
  CHECK(part_refusal({{"type", "image"}, {"data", "!!!!"}})
        == "content[0].data must be base64 of 1 to 15728640 bytes");
  CHECK(part_refusal({{"type", "image"}, {"data", "AP8="}, {"detail", "ultra"}})
        == "content[0].detail must be one of low, high, auto");
  CHECK(part_refusal({{"type", "file"}, {"file_id", "f"}, {"url", "http://x"}})
        == "content[0].file_id must be alone, without url and data");
  auto parts = read_post(json{{"content",
                               {{{"type", "text"}, {"text", ""}},
                                {{"type", "image"}, {"data", "AP8="}, {"mime_type", "image/png"}},
                                {{"type", "audio"}, {"url", "http://x"}, {"format", "wav"}},
                                {{"type", "file"}, {"file_id", "f1"}, {"name", "n"}}}}}
                             .dump(),
                         {});
  REQUIRE(parts);
  CHECK(parts->parts(1).image().data() == std::string("\0\xff", 2));
  CHECK(parts->parts(2).audio().format() == "wav");
  CHECK(parts->parts(3).file().file_id() == "f1");
}

TEST_CASE("the text of all parts of a message counts together") {
  api_limits small;
  small.message_bytes = 10;
  json body{{"content",
             {{{"type", "text"}, {"text", "sixsix"}}, {{"type", "text"}, {"text", "sixsix"}}}}};
  CHECK(describe(read_post(body.dump(), small).error())
        == "content must be at most 10 bytes of text");
}

TEST_CASE("each kind of post asks for what it needs") {
  CHECK(post_refusal({{"kind", "shout"}, {"content", "x"}})
        == "kind must be one of message, regenerate, edit, tool_results");
  CHECK(post_refusal({{"kind", "regenerate"}})
        == "parent_id is missing: regenerate needs the id of the user message");
  CHECK(post_refusal({{"kind", "regenerate"}, {"parent_id", some_id}, {"content", "x"}})
        == "content must be absent: regenerate answers parent_id again");
  CHECK(post_refusal({{"kind", "edit"}, {"content", "x"}})
        == "parent_id is missing: edit needs the id of the user message");
  CHECK(post_refusal({{"kind", "tool_results"}, {"content", "x"}})
        == "content must be an array of tool_result parts, 1 to 64 of them");
  CHECK(post_refusal({{"kind", "tool_results"}, {"content", {{{"type", "text"}, {"text", "x"}}}}})
        == "content[0].type must be one of tool_result");
  CHECK(post_refusal(
            {{"kind", "tool_results"}, {"content", {{{"type", "tool_result"}, {"content", "4"}}}}})
        == "content[0].call_id is missing: it must be the id of the tool call it answers");
  auto again = read_post(json{{"kind", "regenerate"}, {"parent_id", some_id}}.dump(), {});
  REQUIRE(again);
  CHECK(again->kind() == v1::POST_KIND_REGENERATE);
  CHECK(again->parent_id() == some_id);
}

TEST_CASE("messages become JSON and stay whole") {
  v1::Message message;
  message.set_id("m");
  message.set_role(v1::ROLE_ASSISTANT);
  message.add_parts()->mutable_text()->set_text("hi \xff");
  auto& call = *message.add_parts()->mutable_tool_call();
  call.set_call_id("c");
  call.set_name("f");
  call.set_arguments_json("{broken");
  message.add_parts()->mutable_image()->set_data(std::string("\0\xff", 2));
  message.mutable_usage()->set_total_tokens(5);
  auto out = to_json(message);
  CHECK(out["parent_id"].is_null());
  CHECK(out["role"] == "assistant");
  CHECK(out["status"] == "complete");
  CHECK(out["content"][1]
        == json{{"type", "tool_call"}, {"call_id", "c"}, {"name", "f"}, {"arguments", "{broken"}});
  CHECK(out["content"][2]["data"] == "AP8=");
  CHECK(out["usage"]["total_tokens"] == 5);
  CHECK_FALSE(out.contains("model"));
}

TEST_CASE("a conversation whose stored JSON is damaged is still given") {
  v1::Conversation conversation;
  conversation.set_params_json("{\"temperature\":");
  conversation.set_tools_json("{}");
  auto out = to_json(conversation);
  CHECK(out["params"] == json::object());
  CHECK(out["tools"] == json::array());
}

TEST_CASE("events carry their name, their JSON, and ids that lead back to them") {
  auto delta = to_event(text_event(3, "a\n\"b\""));
  CHECK(delta.name == "delta");
  CHECK(json::parse(delta.data) == json{{"text", "a\n\"b\""}});
  v1::TurnEvent failed;
  failed.mutable_failed()->mutable_failure()->set_code("upstream_broken");
  failed.mutable_failed()->mutable_failure()->set_retry_after_ms(5);
  CHECK(to_event(failed).name == "error");
  CHECK(json::parse(to_event(failed).data)["error"]["retry_after_ms"] == 5);
  CHECK(*read_event_id(event_id(some_id, 12), some_id) == 12);
  CHECK(*read_event_id("", some_id) == 0);
  for (const auto& text : {"12", ":", some_id.c_str(), "x:1"})
    CHECK_FALSE(read_event_id(text, some_id));
  for (const auto* seq : {"", "-1", "1x", "99999999999999999999"})
    CHECK_FALSE(read_event_id(some_id + ":" + seq, some_id));
}

TEST_CASE("an idempotency key is short and visible") {
  CHECK_FALSE(check_idempotency_key(""));
  CHECK_FALSE(check_idempotency_key(std::string(200, 'k')));
  CHECK(check_idempotency_key(std::string(201, 'k')));
  CHECK(check_idempotency_key("a b"));
  CHECK(check_idempotency_key("\xc3\xa9"));
}

TEST_CASE("a reader of a turn sees a pause only after a message with tool calls") {
  turn_reading reading;
  CHECK(reading.take(text_event(1, "x")));
  CHECK_FALSE(reading.may_be_paused());
  CHECK(reading.take(message_event(2, "m1", true)));
  CHECK(reading.may_be_paused());
  auto pause = pause_event(reading);
  CHECK(pause.finished().status() == v1::TURN_STATUS_AWAITING_TOOLS);
  CHECK(pause.finished().message_id() == "m1");
  CHECK(pause.seq() == 2);
  CHECK(reading.take(text_event(3, "y")));
  CHECK_FALSE(reading.may_be_paused());
  v1::TurnEvent end;
  end.set_seq(4);
  end.mutable_finished();
  CHECK(reading.take(end));
  CHECK(reading.ended());
}

TEST_CASE("a reader that posted tool results passes over what it had before") {
  turn_reading reading{"c1"};
  CHECK_FALSE(reading.take(text_event(1, "old")));
  CHECK_FALSE(reading.take(message_event(2, "m0", false)));
  CHECK_FALSE(reading.take(message_event(3, "m1", true)));
  CHECK_FALSE(reading.may_be_paused());
  CHECK(reading.take(text_event(4, "new")));
  CHECK(reading.take(message_event(5, "m2", true)));
  CHECK(reading.may_be_paused());
}

TEST_CASE("a reader that posted tool results gets what is told from the store, or begins anew") {
  turn_reading stored{"c1"};
  CHECK(stored.take(message_event(1, "m9", false)));
  turn_reading again{"c1"};
  v1::TurnEvent restarted;
  restarted.set_seq((1LL << 32) + 1);
  restarted.mutable_restarted();
  CHECK(again.take(restarted));
  CHECK(again.take(text_event((1LL << 32) + 2, "x")));
  turn_reading over{"c1"};
  v1::TurnEvent end;
  end.set_seq(7);
  end.mutable_failed();
  CHECK_FALSE(over.take(text_event(6, "old")));
  CHECK(over.take(end));
  CHECK(over.ended());
}

TEST_CASE("a request for an API key is checked, and a key never shows its hash") {
  auto refused = [](const json& body) {
    auto value = read_create_key(body.dump(), 1'000);
    return value ? std::string{"taken"} : describe(value.error());
  };
  CHECK(refused(json::object()) == "name is missing: it must be a string of 1 to 128 bytes");
  CHECK(refused({{"name", ""}}) == "name must be a string of 1 to 128 bytes");
  for (const auto& scopes : {json::array(), json("api"), json{"root"}, json{"api", "api"}, json{1}})
    CHECK(refused({{"name", "n"}, {"scopes", scopes}})
          == "scopes must be an array of openai, api and admin, each once");
  CHECK(refused({{"name", "n"}, {"expires_in_s", 0}}).starts_with("expires_in_s must be"));
  CHECK(refused({{"name", "n"}, {"secret", "mine"}}).starts_with("secret is not a field here"));
  auto good = read_create_key(R"({"name":"n","scopes":["admin"],"expires_in_s":2})", 1'000);
  REQUIRE(good);
  CHECK(good->expires_us() == 2'001'000);
  v1::ApiKey key;
  key.set_hash("h");
  CHECK_FALSE(to_json(key).contains("hash"));
  CHECK(to_json(key)["scopes"] == json{"openai", "api"});
}
