// Streams of the OpenAI dialect through the guard, chunk by chunk; and where texts stand in JSON.
#include "gateway/openai/answer_guard.hpp"
#include "gateway/openai/json_places.hpp"
#include "tests/support/word_guard.hpp"

#include <doctest/doctest.h>
#include <nlohmann/json.hpp>

#include <map>
#include <random>

using namespace troupe;
using namespace troupe::gateway::openai;
using moderation::action;
using nlohmann::json;
using test::word;
using test::word_guard;

namespace {

std::vector<moderation::entry> some_words() {
  return {word("mellow", action::mask), word("hidden", action::block)};
}

/// What goes to a client of chunks that came from an upstream.
struct relay {
  explicit relay(const word_guard& words) : guard(words.guard, {}) {}

  answer_guard::verdict take(const std::string& chunk) {
    std::vector<choice_part> said;
    std::string counted;
    CHECK(read_chunk(chunk, facts, counted, said) == chunk_kind::content);
    std::vector<std::string> instead;
    auto verdict = guard.take(chunk, said, instead);
    if (verdict == answer_guard::verdict::same)
      out.push_back(chunk);
    else
      out.insert(out.end(), instead.begin(), instead.end());
    return verdict;
  }
  answer_guard::verdict finish() { return guard.finish(out); }

  /// By choice and field, joined; "finish" has the reasons.
  std::map<std::string, std::string> texts() const {
    std::map<std::string, std::string> all;
    for (const auto& text : out) {
      auto chunk = json::parse(text);
      for (const auto& choice : chunk["choices"]) {
        auto index = std::to_string(choice.value("index", 0)) + " ";
        const auto& from = choice.contains("delta") ? choice["delta"] : choice;
        for (auto name : {"content", "refusal", "reasoning_content", "reasoning", "text"})
          if (from.contains(name) && from[name].is_string())
            all[index + name] += from[name].get<std::string>();
        if (choice.contains("finish_reason") && choice["finish_reason"].is_string())
          all[index + "finish"] += choice["finish_reason"].get<std::string>();
      }
    }
    return all;
  }

  stream_facts facts;
  answer_guard guard;
  std::vector<std::string> out;
};

std::string chunk(const json& delta, const json& reason = nullptr, int index = 0) {
  return json{{"id", "c-1"},
              {"object", "chat.completion.chunk"},
              {"created", 1'700'000'000},
              {"model", "m"},
              {"choices", {{{"index", index}, {"delta", delta}, {"finish_reason", reason}}}}}
      .dump();
}
std::string said(const std::string& text, int index = 0) {
  return chunk({{"content", text}}, nullptr, index);
}

} // namespace

TEST_CASE("a chunk that cannot become a hit goes on as it came") {
  word_guard words{some_words()};
  relay one{words};
  CHECK(one.take(chunk({{"role", "assistant"}, {"content", ""}})) == answer_guard::verdict::same);
  CHECK(one.take(said("all is well.")) == answer_guard::verdict::same);
  auto odd = R"({ "choices" : [ {"index":0, "x":1.50, "delta":{"content":"caf\u00e9 !"}} ] })";
  CHECK(one.take(odd) == answer_guard::verdict::same);
  CHECK(one.take(chunk(json::object(), "stop")) == answer_guard::verdict::same);
}

TEST_CASE("a chunk that is changed keeps all that is not its text") {
  word_guard words{some_words()};
  relay one{words};
  auto text = R"({"x":[1.50,{}],"choices":[{"delta":{"content":"a mellow day.","y":null},)"
              R"("logprobs":{"content":[{"token":"mellow"}]},"index":0}],"z":true})";
  CHECK(one.take(text) == answer_guard::verdict::changed);
  REQUIRE(one.out.size() == 1);
  CHECK(one.out[0]
        == R"({"x":[1.50,{}],"choices":[{"delta":{"content":"a ****** day.","y":null},)"
           R"("logprobs":null,"index":0}],"z":true})");
}

TEST_CASE("a chunk that says things twice is made anew, of what was looked at") {
  word_guard words{some_words()};
  relay one{words};
  // Which index counts is read differently here and there; so is which text.
  auto text = R"({"id":"c-1","choices":[{"index":1,"index":{},"delta":{"content":"a mellow day."},)"
              R"("delta":{"content":"a mellow night."}},{"delta":{"content":"mellow!"}}]})";
  CHECK(one.take(text) == answer_guard::verdict::changed);
  REQUIRE(one.out.size() == 1);
  CHECK(json::parse(one.out[0])["id"] == "c-1");
  CHECK(one.out[0].find("mellow") == std::string::npos);
  CHECK(one.texts()
        == std::map<std::string, std::string>{{"0 content", "******!"},
                                              {"1 content", "a ****** day."}});
}

TEST_CASE("what is held back goes out with the next chunk, or before the end") {
  word_guard words{some_words()};
  relay one{words};
  CHECK(one.take(said("a mel")) == answer_guard::verdict::changed);
  CHECK(one.texts()["0 content"].find("mel") == std::string::npos);
  one.take(said("on, and mel"));
  CHECK(one.texts()["0 content"].starts_with("a melon,"));
  CHECK(one.texts()["0 finish"].empty());
  one.take(chunk(json::object(), "stop"));
  CHECK(one.texts()["0 content"] == "a melon, and mel");
  CHECK(one.texts()["0 finish"] == "stop");
  auto last = json::parse(one.out.back());
  CHECK(last["choices"][0]["finish_reason"] == "stop");
  auto before = json::parse(one.out[one.out.size() - 2]);
  CHECK(before["choices"][0]["delta"]["content"].get<std::string>().ends_with("mel"));
  CHECK(before["choices"][0]["finish_reason"].is_null());
  CHECK(before["id"] == "c-1");
  CHECK(before["model"] == "m");
}

TEST_CASE("a stream that ends without a reason gives out what was held back") {
  word_guard words{some_words()};
  relay one{words};
  one.take(said("a mel"));
  CHECK(one.finish() == answer_guard::verdict::changed);
  CHECK(one.texts()["0 content"] == "a mel");
  CHECK(one.finish() == answer_guard::verdict::same);
}

TEST_CASE("a word to block ends the answer as OpenAI ends one, with what stood before it") {
  word_guard words{some_words()};
  relay one{words};
  one.take(said("it is hid"));
  CHECK(one.take(said("den here")) == answer_guard::verdict::blocked);
  auto texts = one.texts();
  CHECK(texts["0 content"] == "it is ");
  CHECK(texts["0 finish"] == "content_filter");
  CHECK(json::parse(one.out.back())["object"] == "chat.completion.chunk");
}

TEST_CASE("a word that is certain only at the end blocks all the same") {
  word_guard words{{word("hid", action::block)}}; // short: what follows decides
  relay one{words};
  one.take(said("it is hid"));
  CHECK(one.texts()["0 content"].find("hid") == std::string::npos);
  CHECK(one.take(chunk(json::object(), "stop")) == answer_guard::verdict::blocked);
  CHECK(one.texts()["0 finish"] == "content_filter");
}

TEST_CASE("the choices of an answer are texts of their own, and a block ends all of them") {
  word_guard words{some_words()};
  relay one{words};
  one.take(said("mel", 0));
  one.take(said("low", 1));
  one.take(said("low ", 0));
  CHECK(one.texts()["0 content"] == "****** ");
  CHECK(one.texts()["1 content"] == "low");
  CHECK(one.take(said(" hidden ", 1)) == answer_guard::verdict::blocked);
  CHECK(one.texts()["0 finish"] == "content_filter");
  CHECK(one.texts()["1 finish"] == "content_filter");
  CHECK(one.texts()["1 content"] == "low ");
}

TEST_CASE("reasoning is looked at by itself, and ends before the answer begins") {
  word_guard words{some_words()};
  relay one{words};
  one.take(chunk({{"reasoning_content", "a mellow mel"}}));
  one.take(said("low, mellow!"));
  CHECK(one.texts()["0 reasoning_content"] == "a ****** mel");
  CHECK(one.texts()["0 content"] == "low, ******!");
}

TEST_CASE("tool calls pass as they are, after what was held back") {
  word_guard words{some_words()};
  relay one{words};
  one.take(said("a mel"));
  auto call = chunk(
      {{"tool_calls", {{{"index", 0}, {"function", {{"arguments", "{\"q\":\"mellow\"}"}}}}}}});
  one.take(call);
  CHECK(one.out.back() == call);
  CHECK(one.texts()["0 content"] == "a mel");
}

TEST_CASE("however an answer is cut into chunks, the client reads the same") {
  std::mt19937 random{11};
  const std::vector<std::string> bits{"mellow", "mel", "low", "hidden", " ", "敏", "x", ".", "é"};
  for (int round = 0; round < 200; ++round) {
    std::string text;
    for (auto n = random() % 10; n > 0; --n)
      text += bits[random() % bits.size()];
    word_guard words{some_words()};
    relay whole{words}, cut{words};
    auto end = [](relay& to, bool good) {
      if (good)
        to.take(chunk(json::object(), "stop"));
    };
    end(whole, whole.take(said(text)) != answer_guard::verdict::blocked);
    bool good = true;
    for (std::size_t at = 0; at < text.size() && good;) {
      std::size_t length = 1 + random() % 4;
      while (at + length < text.size() && (text[at + length] & 0xc0) == 0x80)
        ++length;
      good = cut.take(said(text.substr(at, length))) != answer_guard::verdict::blocked;
      at += length;
    }
    end(cut, good);
    CAPTURE(text);
    REQUIRE(cut.texts()["0 content"] == whole.texts()["0 content"]);
    REQUIRE(cut.texts()["0 finish"] == whole.texts()["0 finish"]);
  }
}

TEST_CASE("the texts of a request are found with their places") {
  std::string body = R"({"model":"m","messages":[{"role":"user","content":"one \"two\""},)"
                     R"({"content":"three","role":"assistant"},{"role":"user","content":[)"
                     R"({"type":"text","text":"four"},{"type":"image_url","image_url":{}},)"
                     R"({"text":"five","type":"text"}]}],"tools":[{"text":"no"}]})";
  auto texts = texts_with_places(body);
  REQUIRE(texts);
  std::vector<std::string> found;
  for (const auto& one : *texts) {
    found.emplace_back(one.text);
    CHECK(json::parse(body.substr(one.place.at, one.place.length)) == one.text);
    CHECK(one.of_model == (one.text == "three"));
  }
  CHECK(found == std::vector<std::string>{"one \"two\"", "three", "four", "five"});
}

TEST_CASE("prompts and inputs are texts too, and tokens are none") {
  auto found = [](const std::string& body) {
    std::string out;
    auto texts = texts_with_places(body);
    REQUIRE(texts);
    for (const auto& one : *texts)
      out.append(one.text).append("|");
    return out;
  };
  CHECK(found(R"({"prompt":"a","suffix":"b","user":"c"})") == "a|b|");
  CHECK(found(R"({"prompt":["a","b"]})") == "a|b|");
  CHECK(found(R"({"input":["a",[1,2]]})") == "a|");
  CHECK(found(R"({"input":[1,2,3]})").empty());
  CHECK(found(R"({"messages":[{"c\u006fntent":"a"}],"messages":[{"content":"b"}]})") == "a|b|");
  CHECK(found(R"({"messages":"a"})").empty());
}

TEST_CASE("half of a surrogate pair is refused, since nobody knows what it will be read as") {
  CHECK(!texts_with_places(R"({"messages":[{"content":"\ud83d"}]})"));
  CHECK(texts_with_places(R"({"messages":[{"content":"\ud83d\ude00"}]})"));
}
