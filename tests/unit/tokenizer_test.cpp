// The tokenizer's engine: what holds without an oracle at hand.
#include "actors/tokenizer/encoding.hpp"

#include <doctest/doctest.h>

#include <atomic>
#include <chrono>
#include <filesystem>
#include <fstream>
#include <random>
#include <string>
#include <thread>
#include <vector>

using namespace troupe::tokens;

namespace {

const encoding& vocabulary(std::string_view name) {
  static library shared;
  return *shared.find(name);
}

std::vector<std::string> pieces(split_pattern pattern, std::string_view text) {
  std::vector<std::string> result;
  for (std::size_t at = 0; at < text.size();) {
    auto end = piece_end(pattern, text, at);
    REQUIRE(end > at);
    REQUIRE(end <= text.size());
    result.emplace_back(text.substr(at, end - at));
    at = end;
  }
  return result;
}

using strings = std::vector<std::string>;

std::string repeat(std::string_view unit, std::size_t bytes) {
  std::string text;
  while (text.size() < bytes)
    text += unit;
  return text;
}

/// Any bytes, mostly such as UTF-8 is made of.
std::string random_bytes(std::mt19937_64& random) {
  std::string text;
  for (auto left = random() % 60; left > 0; --left) {
    static const char* const parts[] = {"\xe4\xb8\xad", "\xe4\xb8", "\xff",         "\xc3\xa9",
                                        "\xc0\xaf",     " ",        "\xed\xa0\x80", "\xf0\x9f\x91"};
    if (random() % 2 == 0)
      text += parts[random() % std::size(parts)];
    else
      text += static_cast<char>(random() % 256);
  }
  return text;
}

bool breaks_a_character(std::string_view text, std::size_t at) {
  return at < text.size() && (static_cast<unsigned char>(text[at]) & 0xc0) == 0x80;
}

} // namespace

TEST_CASE("known texts have their known tokens") {
  CHECK(vocabulary("cl100k_base").encode("hello world") == std::vector<token_id>{15339, 1917});
  CHECK(vocabulary("o200k_base").encode("hello world") == std::vector<token_id>{24912, 2375});
  CHECK(vocabulary("r50k_base").encode("hello world") == std::vector<token_id>{31373, 995});
  CHECK(vocabulary("o200k_base").encode("").empty());
  CHECK(vocabulary("o200k_base").count("").tokens == 0);
}

TEST_CASE("each pattern splits where its expression does") {
  using enum split_pattern;
  CHECK(pieces(gpt2, "it's  12345!!\n\n x")
        == strings{"it", "'s", " ", " 12345", "!!", "\n\n", " x"});
  CHECK(pieces(cl100k, "it'S  12345!!\n\n x")
        == strings{"it", "'S", " ", " ", "123", "45", "!!\n\n", " x"});
  CHECK(pieces(o200k, "it'S  12345!!\n/\n x")
        == strings{"it'S", " ", " ", "123", "45", "!!\n/\n", " x"});
  CHECK(pieces(o200k, "HTTPServer ABC(def)") == strings{"HTTPServer", " ABC", "(def", ")"});
  CHECK(pieces(o200k, "中ABC") == strings{"中", "ABC"});
  // A long s is an s without regard to case, and only then.
  CHECK(pieces(cl100k, "x'\xc5\xbfy") == strings{"x", "'\xc5\xbf", "y"});
  CHECK(pieces(gpt2, "x'\xc5\xbfy") == strings{"x", "'", "\xc5\xbfy"});
  // What leads an o200k word may be a combining mark.
  CHECK(pieces(o200k, "\xcc\x81"
                      "AB")
        == strings{"\xcc\x81", "AB"});
  CHECK(pieces(o200k, "\xcc\x81"
                      "ab")
        == strings{"\xcc\x81"
                   "ab"});
  CHECK(pieces(cl100k, "a \n \n  b") == strings{"a", " \n \n", " ", " b"});
  CHECK(pieces(cl100k, "a \n  ") == strings{"a", " \n", "  "});
}

TEST_CASE("repeats of anything take linear time, up to a megabyte of one letter") {
  for (std::string unit : {"a", "A", " ", "\n", " \n", "0", "!", "/", "ab", "aA", "'s", "\xcc\x81",
                           "\xcc\x81"
                           "A",
                           "\xe4\xb8\xad", "\xff", "<|",
                           "\xe4\xb8\xad"
                           "A",
                           "=", "zq"}) {
    auto text = repeat(unit, 250'000) + "x";
    for (auto name : {"cl100k_base", "o200k_base", "r50k_base"}) {
      CAPTURE(unit);
      CAPTURE(name);
      auto start = std::chrono::steady_clock::now();
      auto counted = vocabulary(name).count(text, 0, specials::allowed);
      // A quadratic method needs minutes; an unoptimised, sanitised build on a busy machine 2 s.
      CHECK(std::chrono::steady_clock::now() - start < std::chrono::seconds{20});
      CHECK(counted.tokens > 1'000);
    }
  }
  CHECK(vocabulary("cl100k_base").count(std::string(1'000'000, 'a')).tokens == 125'000);
}

TEST_CASE("every text of any bytes comes back byte by byte") {
  std::mt19937_64 random{20'261'123};
  for (int i = 0; i < 3'000; ++i) {
    auto text = random_bytes(random);
    for (auto name : {"cl100k_base", "o200k_base", "p50k_base"}) {
      CAPTURE(text);
      auto ids = vocabulary(name).encode(text);
      CHECK(vocabulary(name).decode(ids) == text);
      CHECK(vocabulary(name).count(text).tokens == static_cast<std::int64_t>(ids.size()));
    }
  }
}

TEST_CASE("every token that stands alone is found again, and other ids are none") {
  for (const auto& info : vocabularies()) {
    CAPTURE(info.name);
    const auto& here = vocabulary(info.name);
    std::size_t found = 0;
    for (token_id id = 0; id < 202'000; ++id) {
      auto text = here.text_of(id);
      found += text ? 1 : 0;
    }
    CHECK(found
          == (info.ranks == "cl100k_base"    ? 100'261
              : info.name == "o200k_base"    ? 200'000
              : info.name == "o200k_harmony" ? 201'088
              : info.name == "p50k_base"     ? 50'281
              : info.name == "p50k_edit"     ? 50'284
                                             : 50'257));
    CHECK(!here.text_of(no_token));
    CHECK(!here.decode(std::vector<token_id>{0, 5'000'000}));
  }
}

TEST_CASE("special tokens are text unless they are allowed") {
  const auto& here = vocabulary("o200k_base");
  CHECK(here.encode("<|endoftext|>", specials::allowed) == std::vector<token_id>{199'999});
  CHECK(here.count("<|endoftext|>").tokens > 1);
  CHECK(here.decode(here.encode("<|endoftext|>")) == "<|endoftext|>");
  CHECK(vocabulary("o200k_harmony").encode("<|call|>", specials::allowed)
        == std::vector<token_id>{200'012});
  CHECK(vocabulary("o200k_harmony").text_of(201'087) == "<|reserved_201087|>");
}

TEST_CASE("a special token with two names is read by both and comes back by one") {
  const auto& here = vocabulary("o200k_harmony");
  for (auto name : {"<|endofprompt|>", "<|reserved_200018|>"})
    CHECK(here.encode(name, specials::allowed) == std::vector<token_id>{200'018});
  CHECK(here.text_of(200'018) == "<|endofprompt|>");
}

TEST_CASE("counting with a limit stops early, and not at the limit itself") {
  const auto& here = vocabulary("o200k_base");
  auto text = repeat(" word", 500'000);
  CHECK(!here.count(text, 100'000).limit_reached);
  CHECK(here.count(text, 100'000).tokens == 100'000);
  CHECK(here.count(text, 99'999).limit_reached);
  CHECK(here.count(text, 10).tokens == 11);
}

TEST_CASE("a truncated text has at most so many tokens and no broken character") {
  std::mt19937_64 random{7};
  const auto& here = vocabulary("o200k_base");
  CHECK(here.truncate("hello world", 1) == 5);
  CHECK(here.truncate("hello world", 2) == 11);
  CHECK(here.truncate("hello world", 0) == 0);
  CHECK(here.truncate("hello world", -3) == 0);
  static const char* const parts[] = {"\xf0\x9f\x91\xa9", "\xe2\x80\x8d", " ",  "\n", "word", "AB",
                                      "\xe4\xb8\xad",     "\xe9\xbe\x98", "'s", "1"};
  for (int i = 0; i < 2'000; ++i) {
    std::string text;
    for (auto left = random() % 40; left > 0; --left)
      text += parts[random() % std::size(parts)];
    auto all = here.count(text).tokens;
    auto most = static_cast<std::int64_t>(random() % 30);
    auto cut = here.truncate(text, most);
    CAPTURE(text);
    CAPTURE(most);
    CHECK(cut <= text.size());
    CHECK(!breaks_a_character(text, cut));
    CHECK(here.count(text.substr(0, cut)).tokens <= most);
    CHECK((cut == text.size()) == (all <= most));
  }
  // Bytes that are no characters are cut anywhere.
  CHECK(here.truncate(std::string(100, '\xff'), 3) > 0);
}

TEST_CASE("chunks of a text have at most so many tokens, no broken character and all of the text") {
  std::mt19937_64 random{11};
  const auto& here = vocabulary("o200k_base");
  static const char* const parts[] = {"\xf0\x9f\x91\xa9", "\xe2\x80\x8d", " ",  "\n", "word", "AB",
                                      "\xe4\xb8\xad",     "\xe9\xbe\x98", "'s", "1"};
  for (int i = 0; i < 1'000; ++i) {
    std::string text;
    for (auto left = random() % 60; left > 0; --left)
      text += parts[random() % std::size(parts)];
    auto most = static_cast<std::int64_t>(1 + random() % 12);
    CAPTURE(text);
    CAPTURE(most);
    std::size_t start = 0;
    for (auto end : here.split(text, most)) {
      REQUIRE(end > start);
      CHECK(!breaks_a_character(text, end));
      auto tokens = here.count(text.substr(start, end - start)).tokens;
      CHECK((tokens <= most || end - start <= 4));
      start = end;
    }
    CHECK(start == text.size());
  }
  CHECK(here.split("hello world", 1) == std::vector<std::size_t>{5, 11});
  CHECK(here.split("hello world", 0) == std::vector<std::size_t>{5, 11});
  CHECK(here.split("", 3).empty());
  auto start = std::chrono::steady_clock::now();
  CHECK(here.split(std::string(1'000'000, 'a'), 5).size() >= 25'000);
  CHECK(std::chrono::steady_clock::now() - start < std::chrono::seconds{20});
}

TEST_CASE("each token is told with the bytes that it stands for") {
  using places = std::vector<token_place>;
  const auto& here = vocabulary("o200k_base");
  CHECK(here.encode_with_places("hello world") == places{{24'912, 0, 5}, {2'375, 5, 11}});
  CHECK(here.encode_with_places("hello<|endoftext|> world", specials::allowed)
        == places{{24'912, 0, 5}, {199'999, 5, 18}, {2'375, 18, 24}});
  CHECK(here.encode_with_places("").empty());
}

TEST_CASE("a text with special tokens can be refused: the first one is told") {
  const auto& here = vocabulary("o200k_base");
  CHECK(!here.first_special("no <|such|> token"));
  auto found = here.first_special("a <|endofprompt|> b <|endoftext|>");
  REQUIRE(found);
  CHECK(found->begin == 2);
  CHECK(found->text == "<|endofprompt|>");
  CHECK(found->id == 200'018);
}

TEST_CASE("what almost is a special token takes linear time") {
  for (std::string unit : {"<|", "<|reserved_20000", "<|endoftext|", "<"}) {
    auto text = repeat(unit, 300'000);
    auto start = std::chrono::steady_clock::now();
    CHECK(vocabulary("o200k_harmony").encode(text, specials::allowed)
          == vocabulary("o200k_harmony").encode(text));
    CHECK(std::chrono::steady_clock::now() - start < std::chrono::seconds{20});
  }
}

TEST_CASE("two vocabularies used in turn, and more on other threads, do not mix") {
  std::vector<std::string> names{"cl100k_base", "o200k_base", "p50k_base", "r50k_base"};
  std::vector<std::vector<token_id>> alone;
  auto text = repeat("The people of 北京, it's 12345 !! \xf0\x9f\x91\xa9 ", 2'000);
  for (const auto& name : names)
    alone.push_back(vocabulary(name).encode(text));
  std::atomic<int> wrong{0};
  auto work = [&] {
    for (int i = 0; i < 40; ++i)
      for (std::size_t k = 0; k < names.size(); ++k)
        wrong += vocabulary(names[k]).encode(text) == alone[k] ? 0 : 1;
  };
  std::thread one{work}, two{work};
  work();
  one.join();
  two.join();
  CHECK(wrong == 0);
}

TEST_CASE("models are known by name, version, fine-tune and provider") {
  auto name_of = [](std::string_view model) { return vocabulary_of_model(model).name; };
  CHECK(name_of("gpt-4o-mini-2024-07-18") == "o200k_base");
  CHECK(name_of("GPT-4.1-nano") == "o200k_base");
  CHECK(name_of("gpt-4-32k") == "cl100k_base");
  CHECK(name_of("gpt-3.5-turbo") == "cl100k_base");
  CHECK(name_of("gpt-35-turbo") == "cl100k_base");
  CHECK(name_of("openai/gpt-oss-120b") == "o200k_harmony");
  CHECK(name_of("ft:gpt-4o-mini:acme::abc123") == "o200k_base");
  CHECK(name_of("ft:gpt-3.5-turbo:acme:x:1") == "cl100k_base");
  CHECK(name_of("text-davinci-003") == "p50k_base");
  CHECK(name_of("text-davinci-edit-001") == "p50k_edit");
  CHECK(name_of("davinci") == "r50k_base");
  for (auto unknown : {"", "llama-3", "gpt-40", "my/", "ft:", "o1x"}) {
    CAPTURE(unknown);
    CHECK(vocabulary_of_model(unknown).estimated);
    CHECK(name_of(unknown) == "o200k_base");
  }
  CHECK(vocabulary_of_model("Qwen/Qwen3-8B").own == "qwen3");
  CHECK(vocabulary_of_model("deepseek-chat").own == "deepseek_v3");
  CHECK(vocabulary_of_model("deepseek-chat").estimated);
  CHECK(vocabulary_of_model("gpt-4o").own.empty());
  CHECK(chat_overhead_of("gpt-4o").per_message == 3);
  CHECK(chat_overhead_of("gpt-3.5-turbo-0301").per_name == -1);
}

TEST_CASE("a harmony prompt has the tokens of its fields and the overhead of its format") {
  const auto& here = vocabulary("o200k_harmony");
  auto tokens = [&](std::string_view text) {
    return static_cast<int>(here.count(text, 0, specials::allowed).tokens);
  };
  auto format = chat_overhead_of("openai/gpt-oss-120b");
  auto prompt = format.prompt + message_overhead(format, chat_role::user) + tokens("Hi there")
                + message_overhead(format, chat_role::assistant) + tokens("Yes?") + format.reply;
  CHECK(prompt
        == tokens("<|start|>user<|message|>Hi there<|end|>"
                  "<|start|>assistant<|channel|>final<|message|>Yes?<|end|><|start|>assistant"));
}

TEST_CASE("a vocabulary that is missing, cut short or damaged is refused with what to do") {
  auto folder = std::filesystem::temp_directory_path() / "troupe-vocabulary-test";
  std::filesystem::remove_all(folder);
  std::filesystem::create_directories(folder);
  auto refusal = [&](const std::string& content) {
    std::ofstream{folder / "r50k_base.vocab", std::ios::binary} << content;
    library here{{folder}};
    try {
      here.find("r50k_base");
    } catch (const std::runtime_error& e) {
      return std::string{e.what()};
    }
    return std::string{};
  };
  CHECK_THROWS_AS(library({folder}).find("r50k_base"), std::runtime_error);
  CHECK(refusal("").find("cut short") != std::string::npos);
  CHECK(refusal(std::string(1'000, 'x')).find("damaged") != std::string::npos);
  CHECK(library({folder}).find("none_such") == nullptr);
  std::filesystem::remove_all(folder);
}
