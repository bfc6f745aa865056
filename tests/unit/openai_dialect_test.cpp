// What OpenAI's dialect asks for, and what it makes of streams.
#include "gateway/openai/chunk.hpp"
#include "gateway/openai/shapes.hpp"
#include "gateway/upstream/dialect.hpp"

#include <doctest/doctest.h>
#include <nlohmann/json.hpp>

using namespace troupe;
using namespace troupe::gateway;
using json = nlohmann::json;

namespace {

v1::Message* add(v1::StartCompletion& start, v1::Role role) {
  auto* message = start.add_messages();
  message->set_role(role);
  return message;
}

void add_text(v1::StartCompletion& start, v1::Role role, const std::string& text) {
  add(start, role)->add_parts()->mutable_text()->set_text(text);
}

json body_of(const v1::StartCompletion& start) {
  auto body = find_dialect("openai")->chat_body(start, "their-model");
  REQUIRE(body);
  return json::parse(*body);
}

struct decoded {
  std::string text;
  std::string reasoning;
  json calls = json::array();
  caf::error error;
};

decoded decode(completion_decoder& decoder, const std::string& stream, std::size_t piece = 7) {
  decoded all;
  for (std::size_t i = 0; i < stream.size() && !all.error; i += piece) {
    v1::CompletionEvents events;
    all.error = decoder.feed(std::string_view{stream}.substr(i, piece), events);
    for (const auto& event : events.events()) {
      all.text += event.delta().text();
      all.reasoning += event.delta().reasoning();
      if (event.has_tool_call())
        all.calls.push_back({event.tool_call().index(), event.tool_call().call_id(),
                             event.tool_call().name(), event.tool_call().arguments()});
    }
  }
  return all;
}

std::string data(const json& chunk) { return "data: " + chunk.dump() + "\n\n"; }

json delta_chunk(json delta, json reason = nullptr) {
  return {{"id", "x"},
          {"model", "real-model"},
          {"choices", {{{"index", 0}, {"delta", std::move(delta)}, {"finish_reason", reason}}}}};
}

const json usage_chunk = {{"choices", json::array()},
                          {"usage",
                           {{"prompt_tokens", 11},
                            {"completion_tokens", 5},
                            {"total_tokens", 16},
                            {"prompt_tokens_details", {{"cached_tokens", 4}}},
                            {"completion_tokens_details", {{"reasoning_tokens", 2}}}}}};

} // namespace

TEST_CASE("a chat request carries the model, the messages and the parameters") {
  v1::StartCompletion start;
  start.set_params_json(R"({"temperature":0.5,"stream":false,"model":"ours"})");
  start.set_tools_json(R"([{"type":"function","function":{"name":"f"}}])");
  add_text(start, v1::ROLE_SYSTEM, "Be brief.");
  add_text(start, v1::ROLE_USER, "Hi \"you\"\n");
  auto body = body_of(start);
  CHECK(body["model"] == "their-model");
  CHECK(body["stream"] == true);
  CHECK(body["stream_options"]["include_usage"] == true);
  CHECK(body["temperature"] == 0.5);
  CHECK(body["tools"][0]["function"]["name"] == "f");
  CHECK(body["messages"] == json::parse(R"([{"role":"system","content":"Be brief."},
                           {"role":"user","content":"Hi \"you\"\n"}])"));
}

TEST_CASE("images, audio and files travel as parts, data as base64") {
  v1::StartCompletion start;
  auto* message = add(start, v1::ROLE_USER);
  message->add_parts()->mutable_text()->set_text("What is this?");
  auto* image = message->add_parts()->mutable_image();
  image->set_data("\x01\x02");
  image->set_mime_type("image/jpeg");
  image->set_detail("low");
  message->add_parts()->mutable_image()->set_url("https://example.com/a.png");
  auto* audio = message->add_parts()->mutable_audio();
  audio->set_data("abc");
  audio->set_format("wav");
  auto* file = message->add_parts()->mutable_file();
  file->set_name("a.pdf");
  file->set_mime_type("application/pdf");
  file->set_data("pdf");
  auto content = body_of(start)["messages"][0]["content"];
  REQUIRE(content.size() == 5);
  CHECK(content[0]["text"] == "What is this?");
  CHECK(content[1]["image_url"]["url"] == "data:image/jpeg;base64,AQI=");
  CHECK(content[1]["image_url"]["detail"] == "low");
  CHECK(content[2]["image_url"]["url"] == "https://example.com/a.png");
  CHECK(content[3]["input_audio"] == json::parse(R"({"data":"YWJj","format":"wav"})"));
  CHECK(content[4]["file"]["filename"] == "a.pdf");
  CHECK(content[4]["file"]["file_data"] == "data:application/pdf;base64,cGRm");
}

TEST_CASE("tool calls and their results travel, reasoning stays here") {
  v1::StartCompletion start;
  auto* asked = add(start, v1::ROLE_ASSISTANT);
  asked->add_parts()->mutable_reasoning()->set_text("hmm");
  for (auto id : {"a", "b"}) {
    auto* call = asked->add_parts()->mutable_tool_call();
    call->set_call_id(id);
    call->set_name("f");
    call->set_arguments_json("{\"x\":1}");
  }
  auto* results = add(start, v1::ROLE_TOOL);
  for (auto id : {"a", "b"}) {
    auto* result = results->add_parts()->mutable_tool_result();
    result->set_call_id(id);
    result->set_content("42");
  }
  auto messages = body_of(start)["messages"];
  REQUIRE(messages.size() == 3);
  CHECK(messages[0]["content"].is_null());
  CHECK(messages[0]["tool_calls"][1]["id"] == "b");
  CHECK(messages[0]["tool_calls"][0]["function"]["arguments"] == "{\"x\":1}");
  CHECK(messages[0].dump().find("hmm") == std::string::npos);
  CHECK(messages[1] == json::parse(R"({"role":"tool","tool_call_id":"a","content":"42"})"));
}

TEST_CASE("parameters and tools that are not JSON of their kind are refused") {
  v1::StartCompletion start;
  start.set_params_json("[1]");
  CHECK(!find_dialect("openai")->chat_body(start, "m"));
  start.set_params_json("{");
  CHECK(!find_dialect("openai")->chat_body(start, "m"));
  start.set_params_json("{}");
  start.set_tools_json("{}");
  CHECK(!find_dialect("openai")->chat_body(start, "m"));
  CHECK(find_dialect("no-such") == nullptr);
}

TEST_CASE("a stream becomes text, reasoning, tool calls and usage") {
  auto decoder = find_dialect("openai")->decoder("main");
  auto stream =
      data(delta_chunk({{"role", "assistant"}, {"content", ""}}))
      + data(delta_chunk({{"reasoning_content", "let me see"}}))
      + data(delta_chunk({{"content", "Hel"}})) + ": keep-alive\n\n"
      + data(delta_chunk({{"content", "lo é"}}))
      + data(delta_chunk(
          {{"tool_calls",
            {{{"index", 0}, {"id", "c1"}, {"function", {{"name", "f"}, {"arguments", ""}}}}}}}))
      + data(delta_chunk({{"tool_calls", {{{"index", 0}, {"function", {{"arguments", "{}"}}}}}}}))
      + data(delta_chunk(json::object(), "tool_calls"));
  auto all = decode(*decoder, stream);
  CHECK(!all.error);
  CHECK(all.text == "Hello é");
  CHECK(all.reasoning == "let me see");
  CHECK(all.calls == json::parse(R"([[0,"c1","f",""],[0,"","","{}"]])"));
  CHECK(decoder->finished());
  CHECK(!decoder->done());
  CHECK(decoder->finish_reason() == "tool_calls");
  CHECK(decoder->model() == "real-model");
  CHECK(!decoder->usage());
  CHECK(!decode(*decoder, data(usage_chunk) + "data: [DONE]\n\n").error);
  CHECK(decoder->done());
  REQUIRE(decoder->usage());
  CHECK(decoder->usage()->prompt_tokens() == 11);
  CHECK(decoder->usage()->cached_tokens() == 4);
  CHECK(decoder->usage()->reasoning_tokens() == 2);
  CHECK(!decoder->usage()->estimated());
}

TEST_CASE("a stream that ends before its answer is an error, one without [DONE] is not") {
  auto cut = find_dialect("openai")->decoder("main");
  decode(*cut, data(delta_chunk({{"content", "Hel"}})));
  CHECK(info(cut->end()).code == ec::upstream_broken);
  auto whole = find_dialect("openai")->decoder("main");
  decode(*whole, data(delta_chunk({{"content", "Hel"}})) + data(delta_chunk({}, "stop")));
  CHECK(!whole->end());
}

TEST_CASE("one malformed event is skipped, nothing but such is an error") {
  auto decoder = find_dialect("openai")->decoder("main");
  auto all = decode(*decoder, data(delta_chunk({{"content", "a"}})) + "data: {\"choices\": [tru\n\n"
                                  + data(delta_chunk({{"content", "b"}})));
  CHECK(!all.error);
  CHECK(all.text == "ab");
  auto bad = find_dialect("openai")->decoder("main");
  std::string nonsense;
  for (int i = 0; i < 20; ++i)
    nonsense += "data: nonsense\n\n";
  CHECK(info(decode(*bad, nonsense).error).code == ec::upstream_broken);
}

TEST_CASE("an error event ends the stream with its sentence") {
  auto decoder = find_dialect("openai")->decoder("main");
  auto all = decode(*decoder, "data: {\"error\":{\"message\":\"no GPU left\",\"code\":null}}\n\n");
  CHECK(info(all.error).code == ec::upstream_unavailable);
  CHECK(describe(all.error) == "main: no GPU left");
}

TEST_CASE("errors of upstreams are told apart by their codes") {
  auto code = [](int status, const std::string& body) {
    return info(openai::read_error(status, body, "main")).code;
  };
  CHECK(code(400, R"({"error":{"message":"m","code":"context_length_exceeded"}})")
        == ec::context_too_long);
  CHECK(code(400, R"({"error":{"message":"maximum context length is 8"}})")
        == ec::context_too_long);
  CHECK(code(400, R"({"error":{"message":"m","code":"content_filter"}})") == ec::content_filtered);
  CHECK(code(400, R"({"error":{"message":"m"}})") == ec::upstream_rejected);
  CHECK(code(404, "gone") == ec::model_not_found);
  CHECK(code(429, "{}") == ec::upstream_rate_limited);
  CHECK(code(503, "<html>") == ec::upstream_unavailable);
  CHECK(code(400, R"({"error":"text"})") == ec::upstream_rejected);
  CHECK(describe(openai::read_error(503, "<html>", "main")) == "main answered with status 503");
}

TEST_CASE("several choices are finished when each is") {
  openai::stream_facts facts;
  std::string text;
  openai::read_chunk(R"({"choices":[{"index":0,"delta":{"content":"a"},"finish_reason":null},
                         {"index":1,"delta":{"content":"b"},"finish_reason":null}]})",
                     facts, text);
  openai::read_chunk(R"({"choices":[{"index":1,"delta":{},"finish_reason":"stop"}]})", facts, text);
  CHECK(!facts.finished());
  openai::read_chunk(R"({"choices":[{"index":0,"delta":{},"finish_reason":"length"}]})", facts,
                     text);
  CHECK(facts.finished());
  CHECK(text == "ab");
}

TEST_CASE("the tokens an upstream reports are bounded, so that sums of them do not overflow") {
  openai::stream_facts facts;
  std::string text;
  CHECK(openai::read_chunk(R"({"choices":[],"usage":{"prompt_tokens":9223372036854775807,
          "completion_tokens":9223372036854775807}})",
                           facts, text)
        == openai::chunk_kind::usage);
  REQUIRE(facts.usage);
  CHECK(facts.usage->prompt_tokens() == 1'000'000'000'000);
  CHECK(facts.usage->total_tokens() == 2'000'000'000'000);
}

TEST_CASE("chunks that are too deep or no objects are malformed") {
  openai::stream_facts facts;
  std::string text;
  auto kind = [&](const std::string& chunk) { return openai::read_chunk(chunk, facts, text); };
  CHECK(kind("") == openai::chunk_kind::malformed);
  CHECK(kind("[]") == openai::chunk_kind::malformed);
  CHECK(kind("\xff") == openai::chunk_kind::malformed);
  CHECK(kind("{\"a\":" + std::string(200, '[') + std::string(200, ']') + "}")
        == openai::chunk_kind::malformed);
  CHECK(kind("{\"usage\":null}") == openai::chunk_kind::content);
  CHECK(kind(usage_chunk.dump()) == openai::chunk_kind::usage);
  CHECK(kind("{\"error\":null,\"choices\":[]}") == openai::chunk_kind::content);
}

TEST_CASE("texts are written as JSON strings, whatever is in them") {
  for (std::string text : {std::string{"a\"b\\c\n\t\x01 é 你 \xF0\x9F\x98\x80"},
                           std::string("nul\0nul", 7), std::string{}}) {
    std::string out;
    openai::append_json_string(out, text);
    CHECK(json::parse(out) == text);
  }
  std::string out;
  openai::append_json_string(out, "bad \xff\xc3 utf");
  CHECK(json::parse(out) == "bad \xEF\xBF\xBD\xEF\xBF\xBD utf");
}

TEST_CASE("the usage of a whole answer is read, whatever stands around it") {
  auto read = [](std::string_view json) {
    std::optional<v1::Usage> usage;
    REQUIRE(openai::read_whole(json, usage));
    return usage;
  };
  auto full = read(R"({"a":[{"usage":{"total_tokens":9}}],"usage":{"prompt_tokens":7,)"
                   R"("prompt_tokens_details":{"audio":[1],"cached_tokens":3},"new":{"x":1},)"
                   R"("completion_tokens":5,"completion_tokens_details":{"reasoning_tokens":2}},)"
                   R"("z":"\"usage\":{}"})");
  REQUIRE(full);
  CHECK(full->prompt_tokens() == 7);
  CHECK(full->completion_tokens() == 5);
  CHECK(full->total_tokens() == 12);
  CHECK(full->cached_tokens() == 3);
  CHECK(full->reasoning_tokens() == 2);
  auto odd = read(R"({"usage":{"prompt_tokens":-4,"completion_tokens":1e3,"total_tokens":null,)"
                  R"("prompt_tokens_details":null}})");
  REQUIRE(odd);
  CHECK(odd->prompt_tokens() == 0);
  CHECK(odd->completion_tokens() == 0);
  CHECK_FALSE(read(R"({"usage":null,"choices":[]})"));
  CHECK_FALSE(read(R"({"usage":[],"usage":{"total_tokens":1}})")); // the first counts
  auto twice = read(R"({"us\u0061ge":{"total_tokens":1,"total_tokens":2,)"
                    R"("prompt_tokens_details":7,"prompt_tokens_details":{"cached_tokens":1}}})");
  REQUIRE(twice);
  CHECK(twice->total_tokens() == 1);
  CHECK(twice->cached_tokens() == 0);
  CHECK_FALSE(read("{}"));
}

TEST_CASE("the texts of a whole answer are read with its usage") {
  std::optional<v1::Usage> usage;
  std::vector<openai::choice_part> said;
  std::string json =
      R"({"choices":[{"message":{"content":"a\u0062","refusal":null,"tool_calls":[]}},)"
      R"({"text":"c","index":7}],"usage":{"total_tokens":3}})";
  REQUIRE(openai::read_whole(json, usage, said) == openai::whole_kind::good);
  REQUIRE(usage);
  CHECK(usage->total_tokens() == 3);
  REQUIRE(said.size() == 2);
  CHECK(said[0].choice == 0);
  CHECK(said[0].what == openai::said_as::content);
  CHECK(said[0].text == "ab");
  CHECK(said[1].choice == 1); // its place, whatever its index
  CHECK(said[1].what == openai::said_as::text);
  CHECK(said[1].text == "c");
}

TEST_CASE("an answer whose texts clients may read in two ways is told from one") {
  auto kind = [](std::string_view json) {
    std::optional<v1::Usage> usage;
    std::vector<openai::choice_part> said;
    return openai::read_whole(json, usage, said);
  };
  using openai::whole_kind;
  CHECK(kind(R"({"choices":[{"message":{"content":"a"}}]})") == whole_kind::good);
  CHECK(kind(R"({"choices":null})") == whole_kind::good);
  CHECK(kind(R"({"choices":[{"message":{"content":"a","content":"b"}}]})")
        == whole_kind::unreadable);
  CHECK(kind(R"({"choices":[{"message":{"content":"a"},"message":{}}]})")
        == whole_kind::unreadable);
  CHECK(kind(R"({"choices":[{"message":{"content":"a"},"content":"b"}]})")
        == whole_kind::unreadable);
  CHECK(kind(R"({"choices":[],"choices":[{"text":"a"}]})") == whole_kind::unreadable);
  CHECK(kind(R"({"choices":[{"message":{"content":[{"type":"text","text":"a"}]}}]})")
        == whole_kind::unreadable);
  CHECK(kind(R"({"choices":[{"message":{"content":"\ud83d"}}]})") == whole_kind::unreadable);
  CHECK(kind(R"({"choices":{"message":{"content":"a"}}})") == whole_kind::unreadable);
  CHECK(kind(R"({"choices":["a"]})") == whole_kind::unreadable);
  CHECK(kind(R"({"choices":[{"message":"a"}]})") == whole_kind::unreadable);
  CHECK(kind(R"({"choices":[{"message":null,"text":"a"}]})") == whole_kind::good);
  CHECK(kind(R"({"choices":[{"message":{"content":"a"}}]} x)") == whole_kind::malformed);
  CHECK(kind(R"({"choices":[{"content"}]})") == whole_kind::unreadable);
  CHECK(kind(R"({"choices":[{"a":"b":["content"]}]})") != whole_kind::good);
}

TEST_CASE("a chunk whose text is no string has none that could be looked at") {
  openai::stream_facts facts;
  std::string text;
  std::vector<openai::choice_part> said;
  std::string_view json =
      R"({"choices":[{"index":0,"delta":{"content":[{"type":"text","text":"a"}]}}]})";
  CHECK(openai::read_chunk(json, facts, text, said) == openai::chunk_kind::malformed);
  CHECK(openai::read_chunk(json, facts, text) == openai::chunk_kind::content);
}

TEST_CASE("an answer that is no JSON object, or was cut, is none") {
  for (auto text : {"", "[]", "\"text\"", "{\"a\":1", "{\"a\":\"cut", "{\"a\":[1,2}", "{\"a\"}",
                    "{\"usage\":{\"prompt_tokens\"}}", "{} {}", "{\"a\":1}x", "<html>"}) {
    CAPTURE(text);
    std::optional<v1::Usage> usage;
    CHECK_FALSE(openai::read_whole(text, usage));
  }
}

TEST_CASE("what is written as an answer is read as one") {
  openai::answer_head head{"chatcmpl-1", "m", 1'700'000'000, true};
  v1::Usage usage;
  usage.set_prompt_tokens(2);
  usage.set_completion_tokens(1);
  usage.set_total_tokens(3);
  auto whole = openai::whole_answer_json(head, "hi", "stop", usage);
  CHECK(json::parse(whole)["choices"][0]["message"]["content"] == "hi");
  std::optional<v1::Usage> used;
  REQUIRE(openai::read_whole(whole, used));
  CHECK(used->SerializeAsString() == usage.SerializeAsString());
  CHECK(openai::texts_of_whole(whole) == "hi");
  std::string stream;
  openai::append_chunk(stream, head, "hi", {}, true);
  openai::append_chunk(stream, head, {}, "stop", false);
  openai::append_usage_chunk(stream, head, usage);
  stream += openai::done_event;
  auto decoder = find_dialect("openai")->decoder("main");
  CHECK(decode(*decoder, stream).text == "hi");
  CHECK(decoder->done());
  CHECK(decoder->usage()->completion_tokens() == 1);
  auto error = json::parse(openai::error_json("no \"x\"", "invalid_request_error", ""));
  CHECK(error["error"]["message"] == "no \"x\"");
  CHECK(error["error"]["code"].is_null());
  auto embedding = json::parse(openai::embeddings_json("m", {{0.5f, -1.0f}}, 3, false));
  CHECK(embedding["data"][0]["embedding"][1] == -1.0);
  CHECK(embedding["usage"]["prompt_tokens"] == 3);
  CHECK(json::parse(openai::embeddings_json("m", {{1.0f}}, 3, true))["data"][0]["embedding"]
        == "AACAPw==");
}
