// What the proxy reads of a request's body, and the bytes it changes.
#include "gateway/openai/openai_call.hpp"
#include "gateway/openai/request_reader.hpp"

#include <doctest/doctest.h>
#include <nlohmann/json.hpp>

using namespace troupe;
using namespace troupe::gateway::openai;
using json = nlohmann::json;

namespace {

request_facts read(const std::string& body) {
  request_facts facts;
  auto err = read_request(body, facts);
  CAPTURE(body);
  CHECK_MESSAGE(!err, describe(err));
  return facts;
}

ec refusal(const std::string& body) {
  request_facts facts;
  return info(read_request(body, facts)).code;
}

std::string sent(const std::string& body, const std::string& model) {
  return splice(body, edits_for(read(body), model, true));
}

} // namespace

TEST_CASE("model, stream and its options are found wherever they stand") {
  auto facts = read(R"( { "messages" : [ {"role":"user","content":"model"} ] , "model" : "gpt-4o" ,
                         "x":{"model":"no","stream":true}, "stream":false })");
  CHECK(facts.model == "gpt-4o");
  CHECK(!facts.stream);
  facts =
      read(R"({"stream_options":{"include_usage":true,"x":[1]},"stream":true,"mod\u0065l":"m"})");
  CHECK(facts.model == "m");
  CHECK(facts.stream);
  CHECK(facts.include_usage);
  CHECK(read(R"({"model":"m","stream":null})").stream == false);
  CHECK(read(R"({"model":"a\"b\u00e9/c"})").model == "a\"b\xC3\xA9/c");
}

TEST_CASE("a body that needs no change is passed byte for byte") {
  CHECK(edits_for(read(R"({"model":"m"})"), "m", true).empty());
  CHECK(edits_for(read(R"({"model":"m","stream":true,"stream_options":{"include_usage":true}})"),
                  "m", true)
            .empty());
  CHECK(edits_for(read(R"({"model":"m","stream":true})"), "m", false).empty());
}

TEST_CASE("only the model's name and the wish for usage are changed") {
  CHECK(sent(R"({ "a":1.50, "model" : "m" , "b":"\u00e9" })", "their/m\"")
        == R"({ "a":1.50, "model" : "their/m\"" , "b":"\u00e9" })");
  CHECK(sent(R"({"model":"m","stream":true})", "m")
        == R"({"stream_options":{"include_usage":true},"model":"m","stream":true})");
  CHECK(sent(R"({"stream_options":null,"model":"m","stream":true})", "x")
        == R"({"stream_options":{"include_usage":true},"model":"x","stream":true})");
  CHECK(sent(R"({"model":"m","stream":true,"stream_options":{}})", "m")
        == R"({"model":"m","stream":true,"stream_options":{"include_usage":true}})");
  CHECK(sent(R"({"model":"m","stream":true,"stream_options":{ "x":1}})", "m")
        == R"({"model":"m","stream":true,"stream_options":{"include_usage":true, "x":1}})");
  CHECK(sent(R"({"stream":true,"stream_options":{"include_usage": false },"model":"m"})", "mm")
        == R"({"stream":true,"stream_options":{"include_usage": true },"model":"mm"})");
  CHECK(sent(R"({"stream":true,"stream_options":{"include_usage":null},"model":"m"})", "m")
        == R"({"stream":true,"stream_options":{"include_usage":true},"model":"m"})");
  CHECK(sent(" \n{\"model\":\"m\",\"stream\":true}", "m")
        == " \n{\"stream_options\":{\"include_usage\":true},\"model\":\"m\",\"stream\":true}");
}

TEST_CASE("a changed body is valid JSON that says the same otherwise") {
  std::string body = R"({"stream":true,"model":"m","messages":[{"role":"user","content":"hi"}],
    "tools":[{"type":"function"}],"seed":12345678901234567890,"logit_bias":{"50256":-100}})";
  auto before = json::parse(body);
  auto after = json::parse(sent(body, "other"));
  CHECK(after["model"] == "other");
  CHECK(after["stream_options"]["include_usage"] == true);
  after.erase("stream_options");
  after["model"] = "m";
  CHECK(after == before);
}

TEST_CASE("what is no JSON object is refused") {
  for (std::string body : {"",
                           " ",
                           "null",
                           "[]",
                           "\"model\"",
                           "{",
                           "}",
                           "{\"model\":\"m\"",
                           "{\"model\":\"m\"}}",
                           "{\"model\":\"m\"} {}",
                           "{\"model\":\"m\",}",
                           "{\"model\" \"m\"}",
                           "{model:\"m\"}",
                           "{\"model\":\"m\" \"a\":1}",
                           "{\"model\":\"m\",\"a\":tru}",
                           "{\"model\":\"m\",\"a\":nul}",
                           "{\"model\":\"m\",\"a\":1.}",
                           "{\"model\":\"m\",\"a\":[1,2}",
                           "{\"model\":\"m\",\"a\":[1 2]}",
                           "{\"model\":\"m\",\"a\":\"\xff\"}",
                           "{\"model\":\"m\",\"a\":\"x",
                           "model=m&stream=true",
                           "<xml/>"}) {
    CAPTURE(body);
    CHECK(refusal(body) == ec::malformed_request);
  }
}

TEST_CASE("fields of the wrong type, and doubled ones, are refused") {
  CHECK(refusal(R"({})") == ec::invalid_argument);
  CHECK(refusal(R"({"model":""})") == ec::invalid_argument);
  CHECK(refusal(R"({"model":1})") == ec::invalid_argument);
  CHECK(refusal(R"({"model":null})") == ec::invalid_argument);
  CHECK(refusal(R"({"model":")" + std::string(257, 'm') + R"("})") == ec::invalid_argument);
  CHECK(refusal(R"({"model":"m","stream":"yes"})") == ec::invalid_argument);
  CHECK(refusal(R"({"model":"m","stream":1})") == ec::invalid_argument);
  CHECK(refusal(R"({"model":"m","stream_options":true})") == ec::invalid_argument);
  CHECK(refusal(R"({"model":"m","stream_options":{"include_usage":1}})") == ec::invalid_argument);
  CHECK(refusal(R"({"model":"a","model":"b"})") == ec::malformed_request);
  CHECK(refusal(R"({"model":"a","mod\u0065l":"b"})") == ec::malformed_request);
  CHECK(refusal(R"({"model":"a","stream":true,"stream":false})") == ec::malformed_request);
  CHECK(refusal(R"({"model":"a","stream_options":null,"stream_options":{}})")
        == ec::malformed_request);
}

TEST_CASE("depth is bounded, size is not") {
  auto nested = [](std::size_t depth) {
    return "{\"model\":\"m\",\"a\":" + std::string(depth, '[') + std::string(depth, ']') + "}";
  };
  CHECK(refusal(nested(63)) == ec::none);
  CHECK(refusal(nested(64)) == ec::malformed_request);
  CHECK(refusal(nested(100'000)) == ec::malformed_request);
  std::string deep = "{\"model\":\"m\",\"stream_options\":{\"a\":" + std::string(70, '[')
                     + std::string(70, ']') + "}}";
  CHECK(refusal(deep) == ec::malformed_request);
  auto image = "{\"model\":\"m\",\"a\":\"" + std::string(5'000'000, 'A') + "\"}";
  CHECK(read(image).model == "m");
  CHECK(read(R"({"model":"m"})").model == "m");
}

TEST_CASE("the texts of a request are found for counting") {
  using list = std::vector<std::string>;
  CHECK(texts_of_request(R"({"messages":[{"role":"user","content":"a"},
          {"content":[{"type":"text","text":"b"},{"type":"image_url","image_url":{}}]},
          {"role":"assistant","content":null}]})")
        == list{"a", "b", ""});
  CHECK(texts_of_request(R"({"input":["a","b"]})") == list{"ab"});
  CHECK(texts_of_request(R"({"prompt":"p"})") == list{"p"});
  CHECK(texts_of_request("nonsense").empty());
}

TEST_CASE("the error for an unknown model names those that are close") {
  auto text = [](const std::string& model, const std::vector<std::string>& known) {
    return describe(unknown_model(model, known));
  };
  CHECK(text("gpt-4p", {"gpt-4o", "claude", "gpt-4"}).find("gpt-4o") != std::string::npos);
  CHECK(text("gpt-4p", {"gpt-4o", "claude"}).find("claude") == std::string::npos);
  CHECK(text("gpt-4o", {"gpt-4o-2024-05-13"}).find("gpt-4o-2024-05-13") != std::string::npos);
  CHECK(text("zzz", {"one", "two"}).find("There are: one, two") != std::string::npos);
  CHECK(text("zzz", {}).find("/v1/models") != std::string::npos);
}
