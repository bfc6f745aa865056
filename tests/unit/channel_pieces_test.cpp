// Long answers, cut for platforms.
#include "actors/channels/core/pieces.hpp"
#include "actors/channels/core/text.hpp"

#include <doctest/doctest.h>

#include <random>

using namespace troupe::channels;

namespace {

using strings = std::vector<std::string>;

std::string repeated(std::string_view text, int times) {
  std::string out;
  for (int i = 0; i < times; ++i)
    out += text;
  return out;
}

std::string without_space(std::string_view text) {
  std::string out;
  for (char c : text)
    if (c != ' ' && c != '\n' && c != '\t' && c != '\r')
      out += c;
  return out;
}

} // namespace

TEST_CASE("an answer within the limit is one piece, without white space at its ends") {
  CHECK(split_answer("hello", 5) == strings{"hello"});
  CHECK(split_answer("\n\nhello \n", 10) == strings{"hello"});
  CHECK(split_answer("", 10).empty());
  CHECK(split_answer(" \n\t ", 10).empty());
}

TEST_CASE("an answer is cut between paragraphs rather than within one") {
  auto text = "First one. It has two sentences.\n\nSecond paragraph, which is long enough.";
  CHECK(split_answer(text, 50)
        == strings{"First one. It has two sentences.", "Second paragraph, which is long enough."});
}

TEST_CASE("a paragraph is cut after a sentence, Chinese ones too") {
  CHECK(split_answer("One is short. Two is here. Three ends it.", 30)
        == strings{"One is short. Two is here.", "Three ends it."});
  CHECK(split_answer("今天天气很好。我们去公园吧！你觉得呢？", 15)
        == strings{"今天天气很好。我们去公园吧！", "你觉得呢？"});
}

TEST_CASE("a sentence is cut between words, and a word only when it is longer than a piece") {
  CHECK(split_answer("alpha beta gamma delta", 12) == strings{"alpha beta", "gamma delta"});
  CHECK(split_answer("abcdefghij", 4) == strings{"abcd", "efgh", "ij"});
}

TEST_CASE("a sentence that ends right at the limit is not cut") {
  CHECK(split_answer("First sentence here. Second sentence now. Third.", 20)
        == strings{"First sentence here.", "Second sentence now.", "Third."});
  CHECK(split_answer("One two three\n\n\nfour", 13) == strings{"One two three", "four"});
}

TEST_CASE("an indent after a cut between lines is kept") {
  CHECK(split_answer("- one item\n  - nested item\n", 17)
        == strings{"- one item", "  - nested item"});
}

TEST_CASE("a character as people see it is never cut") {
  std::string family = "👨‍👩‍👧‍👦"; // seven code points
  std::string e_acute = "e\u0301";                  // two
  CHECK(split_answer(repeated(family, 3), 10) == strings{family, family, family});
  CHECK(split_answer(repeated(e_acute, 4), 5) == strings{e_acute + e_acute, e_acute + e_acute});
  // Longer than a piece: there is no other way.
  for (const auto& piece : split_answer(family, 3)) {
    CHECK(code_points(piece) <= 3);
    CHECK(valid_utf8(piece) == piece);
  }
}

TEST_CASE("a link is not cut, bare or in Markdown, unless it is longer than a piece") {
  std::string url = "https://example.com/a/long/path?with=query&more=1";
  auto bare = split_answer("Please look at this page: " + url + " for more.", 60);
  REQUIRE(bare.size() == 2);
  CHECK(bare[0] == "Please look at this page:");
  CHECK(bare[1] == url + " for more.");
  auto named = split_answer("Some words before it [the long name](" + url + ") and after", 70);
  CHECK(named[1].starts_with("[the long name](" + url + ")"));
  auto longer = split_answer("see " + url, 20);
  CHECK(without_space(longer[0] + longer[1] + longer[2] + longer[3]) == "see" + url);
}

TEST_CASE("a code block that must be cut is closed and opened again in the next piece") {
  auto text = "Here:\n```python\n" + repeated("print('x')\n", 10) + "```\nDone.";
  auto pieces = split_answer(text, 60);
  REQUIRE(pieces.size() > 2);
  for (const auto& piece : pieces) {
    CHECK(code_points(piece) <= 60);
    std::size_t fences = 0;
    for (auto at = piece.find("```"); at != std::string::npos; at = piece.find("```", at + 3))
      ++fences;
    CHECK_MESSAGE(fences % 2 == 0, piece);
    CHECK(piece.find("print('x'\n") == std::string::npos);
  }
  CHECK(pieces[1].starts_with("```python\nprint('x')\n"));
  CHECK(pieces[1].ends_with("print('x')\n```"));
  CHECK(pieces.back().ends_with("Done."));
}

TEST_CASE("a code block that fits into a piece of its own stays whole") {
  std::string code = "```\n" + repeated("line of code\n", 3) + "```";
  auto pieces = split_answer("Some words before the code.\n" + code + "\nAnd after.", 60);
  REQUIRE(pieces.size() == 2);
  CHECK(pieces[0] == "Some words before the code.");
  CHECK(pieces[1] == code + "\nAnd after.");
}

TEST_CASE("a cut at the end of a code block leaves no empty block behind") {
  auto text = "```\naaaa bbbb\ncccc dddd\n```\n" + repeated("tail words ", 4);
  for (std::size_t limit = 16; limit < 40; ++limit)
    for (const auto& piece : split_answer(text, limit)) {
      CHECK(code_points(piece) <= limit);
      CHECK_MESSAGE(piece != "```\n```", limit);
    }
}

TEST_CASE("malformed bytes become replacement characters") {
  CHECK(split_answer("ab\xFF\xFE", 10) == strings{"ab\uFFFD\uFFFD"});
}

TEST_CASE("any text, cut for any limit, loses nothing but white space and keeps the limit") {
  const strings atoms{"word",
                      " ",
                      "\n",
                      "\n\n",
                      "句子。",
                      "Sentence. ",
                      "```\n",
                      "~~~",
                      "```cpp",
                      "e\u0301",
                      "👨‍👩‍👧‍👦",
                      "https://a.b/c?d=e",
                      "[x](y)",
                      "](",
                      "[",
                      "http://",
                      "\xFF",
                      "1. ",
                      "    ",
                      "\r\n",
                      "very_long_identifier_without_any_space",
                      "!"};
  for (unsigned seed = 0; seed < 2'000; ++seed) {
    CAPTURE(seed);
    std::mt19937 random{seed};
    std::string text;
    for (auto count = random() % 60; count > 0; --count)
      text += atoms[random() % atoms.size()];
    std::size_t limit = 1 + random() % 80;
    CAPTURE(limit);
    auto pieces = split_answer(text, limit);
    std::string joined;
    for (const auto& piece : pieces) {
      CHECK(code_points(piece) <= limit);
      CHECK(valid_utf8(piece) == piece);
      CHECK(!trimmed(piece).empty());
      joined += piece;
    }
    // Fences are added (and a doubled one taken away); all else is there, in its order.
    auto letters = [](std::string_view t) {
      auto bare = without_space(valid_utf8(t));
      std::erase_if(bare, [](char c) { return c == '`' || c == '~'; });
      for (auto at = bare.find("cpp"); at != std::string::npos; at = bare.find("cpp"))
        bare.erase(at, 3);
      return bare;
    };
    if (text.find("```") == std::string::npos && text.find("~~~") == std::string::npos)
      CHECK(without_space(joined) == without_space(valid_utf8(text)));
    else if (text.find("word```") == std::string::npos)
      CHECK(letters(joined).size() >= letters(text).size());
  }
}

TEST_CASE("a megabyte without a place to cut takes no time to speak of") {
  auto pieces = split_answer(std::string(1'000'000, 'x'), 1'500);
  CHECK(pieces.size() == 667);
}
