// Vocabularies of tokenizer.json: small ones, whole and broken. tokenizer_json_oracle_test has real
// ones.
#include "actors/tokenizer/tokenizer_json.hpp"

#include <doctest/doctest.h>
#include <nlohmann/json.hpp>

#include <filesystem>
#include <fstream>
#include <string>
#include <vector>

using namespace troupe::tokens;
using nlohmann::json;

namespace {

constexpr const char* qwen_pattern =
    R"((?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*)"
    R"(|\s*[\r\n]+|\s+(?!\S)|\s+)";

using pairs = std::vector<std::vector<std::string>>; // not an object, as a bare list would be

/// The letter of each byte, as such files write them.
std::vector<std::string> byte_letters() {
  std::vector<std::string> letters;
  int next = 0x100;
  for (int byte = 0; byte < 256; ++byte) {
    auto visible = (byte >= 0x21 && byte <= 0x7e) || (byte >= 0xa1 && byte != 0xad);
    auto value = visible ? byte : next++;
    letters.push_back(value < 0x80 ? std::string(1, static_cast<char>(value))
                                   : std::string{static_cast<char>(0xc0 | value >> 6),
                                                 static_cast<char>(0x80 | (value & 0x3f))});
  }
  return letters;
}

/// Bytes, "ab", "abc", " a" and the added tokens <think> and <|end|>.
json small() {
  json vocab = json::object();
  int id = 0;
  for (const auto& letter : byte_letters())
    vocab[letter] = id++;
  for (const char* token : {"ab", "abc", "Ġa", "12"})
    vocab[token] = id++;
  return {{"normalizer", {{"type", "NFC"}}},
          {"pre_tokenizer",
           {{"type", "Sequence"},
            {"pretokenizers",
             {{{"type", "Split"},
               {"pattern", {{"Regex", qwen_pattern}}},
               {"behavior", "Isolated"},
               {"invert", false}},
              {{"type", "ByteLevel"}, {"add_prefix_space", false}, {"use_regex", false}}}}}},
          {"added_tokens",
           {{{"id", 260}, {"content", "<think>"}, {"special", false}, {"normalized", false}},
            {{"id", 261}, {"content", "<|end|>"}, {"special", true}, {"normalized", false}}}},
          {"model",
           {{"type", "BPE"},
            {"vocab", vocab},
            {"merges", pairs{{"a", "b"}, {"ab", "c"}, {"Ġ", "a"}, {"1", "2"}}}}}};
}

encoding of(const json& document) {
  return encoding{parse_tokenizer_json("small", document.dump())};
}

std::string refusal(const json& document) {
  try {
    parse_tokenizer_json("small", document.dump());
  } catch (const std::runtime_error& e) {
    return e.what();
  }
  return "";
}

std::string refusal_after(const std::string& pointer, const json& value) {
  auto document = small();
  document[json::json_pointer{pointer}] = value;
  return refusal(document);
}

bool mentions(const std::string& text, std::string_view what) {
  return text.find(what) != text.npos;
}

using ids = std::vector<token_id>;

} // namespace

TEST_CASE("a small vocabulary merges as its merges say, digit by digit, in NFC") {
  auto here = of(small());
  CHECK(here.encode("abc") == ids{257});
  CHECK(here.encode("ab a") == ids{256, 258});
  CHECK(here.encode("12") == ids{'1', '2'});
  CHECK(here.encode("e\xcc\x81") == here.encode("é"));
  CHECK(here.decode(here.encode("e\xcc\x81\xff")) == "é\xff");
  CHECK(here.encode("").empty());
}

TEST_CASE("added tokens are taken everywhere, and those that control only where allowed") {
  auto here = of(small());
  CHECK(here.encode("ab<think>ab") == ids{256, 260, 256});
  CHECK(here.encode("<|end|>", specials::allowed) == ids{261});
  CHECK(here.encode("<|end|>").size() == 7);
  CHECK(here.first_special("<think><|end|>")->begin == 7);
  CHECK(here.text_of(261) == "<|end|>");
}

TEST_CASE("places in a text that NFC changes are places in the text as it was given") {
  auto here = of(small());
  using places = std::vector<token_place>;
  // é is two tokens here, and came from three bytes.
  CHECK(here.encode_with_places("ab e\xcc\x81"
                                "abc")
        == places{{256, 0, 2}, {' ', 2, 3}, {0xc3, 3, 6}, {0xa9, 6, 6}, {257, 6, 9}});
  std::string text = "e\xcc\x81 ab e\xcc\x81 ab";
  std::size_t at = 0;
  for (const auto& place : here.encode_with_places(text)) {
    CHECK(place.begin == at);
    at = place.end;
  }
  CHECK(at == text.size());
  for (std::int64_t most = 0; most < 12; ++most)
    CHECK(here.count(text.substr(0, here.truncate(text, most))).tokens <= most);
}

TEST_CASE("other kinds are refused with what they have and what is supported") {
  CHECK(refusal(small()).empty());
  CHECK(mentions(refusal_after("/normalizer/type", "NFKC"), "its normalizer is NFKC"));
  CHECK(mentions(refusal_after("/model/type", "Unigram"), "its model is Unigram"));
  CHECK(mentions(refusal_after("/model/byte_fallback", true), "byte-level"));
  CHECK(mentions(refusal_after("/model/dropout", 0.1), "dropout"));
  CHECK(mentions(refusal_after("/model/end_of_word_suffix", "</w>"), "end_of_word_suffix"));
  CHECK(mentions(refusal_after("/model/unk_token", "<unk>"), "unk_token"));
  CHECK(mentions(refusal_after("/pre_tokenizer", {{"type", "Metaspace"}}), "Metaspace"));
  CHECK(mentions(refusal_after("/pre_tokenizer/pretokenizers/0/pattern/Regex", "\\w+"),
                 "split pattern"));
  CHECK(mentions(refusal_after("/pre_tokenizer/pretokenizers/0/behavior", "Removed"), "isolate"));
  CHECK(mentions(refusal_after("/pre_tokenizer/pretokenizers/1/add_prefix_space", true), "space"));
  CHECK(mentions(refusal_after("/added_tokens/0/lstrip", true), "lstrip"));
  CHECK(mentions(refusal_after("/added_tokens/0/normalized", true), "normal form"));
  CHECK(mentions(refusal_after("/added_tokens/1/content", "<think>"), "twice"));
}

TEST_CASE("what would count wrong is refused") {
  CHECK(mentions(refusal_after("/model/merges", pairs{{"a", "c"}}), "has no token"));
  CHECK(mentions(refusal_after("/model/merges", pairs{{"ab", "c"}, {"a", "b"}}), "out of order"));
  CHECK(mentions(refusal_after("/model/merges", json::array()), "no merges"));
  CHECK(mentions(refusal_after("/model/merges", pairs{{"a", "b", "c"}}), "not of two texts"));
  CHECK(mentions(refusal_after("/model/vocab/zz", 256), "twice"));
  CHECK(mentions(refusal_after("/model/vocab/zz", -1), "no number"));
  CHECK(mentions(refusal_after("/model/vocab/zz", 100'000'000), "too large"));
  CHECK(mentions(refusal_after("/model/vocab/漢", 300), "letters that stand for bytes"));
  CHECK(mentions(refusal_after("/model/vocab", json::object({{"a", 0}})), "has no token"));
  auto document = small();
  document["model"]["vocab"].erase("a");
  document["model"]["merges"] = pairs{{"1", "2"}};
  CHECK(mentions(refusal(document), "no token stands for the byte 97"));
}

TEST_CASE("what is no tokenizer.json at all is refused") {
  for (const char* content : {"", "[]", "{", "null", "{\"model\": 3}", "\xff\xfe", "{}"}) {
    CAPTURE(content);
    CHECK_THROWS_AS(parse_tokenizer_json("x", content), std::runtime_error);
  }
  CHECK_THROWS_AS(parse_tokenizer_json("x", std::string(100'000, '[')), std::runtime_error);
  CHECK_THROWS_AS(load_tokenizer_json("x", "/nowhere/tokenizer.json"), std::runtime_error);
  CHECK_THROWS_AS(load_tokenizer_json("x", "/tmp"), std::runtime_error);
}

TEST_CASE("older files write a merge as one text") {
  auto document = small();
  document["model"]["merges"] = {"a b", "ab c", "Ġ a", "1 2"};
  CHECK(of(document).encode("abc a") == ids{257, 258});
}

TEST_CASE(
    "a token that merging does not make is used for whole pieces only where the file says so") {
  auto document = small();
  document["model"]["vocab"]["abcd"] = 259 + 3;
  CHECK(of(document).encode("abcd") == ids{257, 'd'});
  document["model"]["ignore_merges"] = true;
  CHECK(of(document).encode("abcd") == ids{262});
  CHECK(of(document).encode("abcde") == ids{257, 'd', 'e'});
}

TEST_CASE("a library takes a vocabulary from a file under a name of its own") {
  auto file = std::filesystem::temp_directory_path() / "troupe-tokenizer-json-test.json";
  std::ofstream{file} << small().dump();
  library here;
  CHECK(here.find("small") == nullptr);
  CHECK(here.add("small", file)->encode("abc") == ids{257});
  REQUIRE(here.find("small") != nullptr);
  CHECK(here.find("small")->name() == "small");
  CHECK_THROWS_AS(here.add("o200k_base", file), std::runtime_error);
  std::ofstream{file} << "{}";
  CHECK_THROWS_AS(here.add("small", file), std::runtime_error);
  CHECK(here.find("small")->encode("abc") == ids{257});
  std::filesystem::remove(file);
}
