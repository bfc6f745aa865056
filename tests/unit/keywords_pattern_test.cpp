// Folding, and patterns beside a matcher that tries everything.
#include "actors/keywords/pattern.hpp"

#include <doctest/doctest.h>

#include <chrono>
#include <cstdlib>
#include <optional>
#include <random>
#include <string>
#include <vector>

using namespace troupe::keywords;

namespace {

const folder& fold() {
  static const folder made{{}};
  return made;
}

using strings = std::vector<std::string>;

std::string cut(std::string_view text, const folded_text& folded, pattern::span where) {
  return std::string{text.substr(folded.offsets[where.first],
                                 folded.offsets[where.second] - folded.offsets[where.first])};
}

/// The captures, or nothing if the text does not match.
std::optional<strings> match(std::string_view wanted, std::string_view text) {
  std::string problem;
  auto made = pattern::parse(wanted, fold(), problem);
  REQUIRE(problem.empty());
  folded_text folded;
  fold_text(text, fold(), folded);
  pattern::scratch memory;
  std::vector<pattern::span> captures;
  if (!made.match(folded.points, memory, captures))
    return {};
  strings result;
  for (auto where : captures)
    result.push_back(cut(text, folded, where));
  return result;
}

std::string problem_of(std::string_view wanted) {
  std::string problem;
  pattern::parse(wanted, fold(), problem);
  return problem;
}

std::uint64_t seed() {
  const char* given = std::getenv("TROUPE_SEED");
  return given == nullptr ? 20'261'127 : std::strtoull(given, nullptr, 10);
}

// --- the matcher that tries everything ---

struct part {
  enum { literal, any_one, digit, star, some, digits } what = literal;
  char32_t c = 0;
};

bool accepts(const part& p, char32_t c) {
  bool digit = c == U'1' || c == U'2';
  return p.what == part::literal                           ? p.c == c
         : p.what == part::digit || p.what == part::digits ? digit
                                                           : true;
}

bool is_run(const part& p) { return p.what >= part::star; }

/// All ways, the shortest capture of each run first.
bool try_all(const std::vector<part>& parts, std::size_t j, std::u32string_view text, std::size_t i,
             std::vector<pattern::span>& captures) {
  if (j == parts.size())
    return i == text.size();
  if (!is_run(parts[j]))
    return i < text.size() && accepts(parts[j], text[i])
           && try_all(parts, j + 1, text, i + 1, captures);
  auto end = i;
  if (parts[j].what != part::star) {
    if (end == text.size() || !accepts(parts[j], text[end]))
      return false;
    ++end;
  }
  for (;;) {
    captures.emplace_back(i, end);
    if (try_all(parts, j + 1, text, end, captures))
      return true;
    captures.pop_back();
    if (end == text.size() || !accepts(parts[j], text[end]))
      return false;
    ++end;
  }
}

std::string written(const std::vector<part>& parts) {
  std::string text;
  int names = 0;
  for (const auto& p : parts) {
    switch (p.what) {
      case part::literal:
        text += p.c == U'*' ? "\\*" : p.c == U'中' ? "中" : std::string(1, static_cast<char>(p.c));
        break;
      case part::any_one:
        text += '?';
        break;
      case part::digit:
        text += "[1-2]";
        break;
      case part::star:
        text += '*';
        break;
      case part::some:
        text += "{n" + std::to_string(names++) + "}";
        break;
      case part::digits:
        text += "{n" + std::to_string(names++) + ":[12]}";
        break;
    }
  }
  return text;
}

std::vector<part> random_parts(std::mt19937_64& random) {
  static constexpr char32_t letters[] = {U'a', U'b', U'中', U'1', U'*'};
  std::vector<part> parts;
  int runs = 0;
  for (auto left = 1 + random() % 7; left > 0; --left) {
    part p;
    auto draw = random() % 10;
    if (draw < 6)
      p.c = letters[random() % 5];
    else
      p.what = static_cast<decltype(p.what)>(1 + random() % 5);
    if (p.what == part::star && !parts.empty() && parts.back().what == part::star)
      continue;
    if (is_run(p) && ++runs > 5)
      continue;
    parts.push_back(p);
  }
  if (parts.empty())
    parts.push_back({part::any_one});
  return parts;
}

} // namespace

TEST_CASE("texts are folded by case and width, and trimmed") {
  folded_text out;
  fold_text(" \u3000ＡbC　Ⅷß ｶ\n", fold(), out);
  CHECK(out.points == U"abc ⅷß カ");
  CHECK(out.offsets.front() == 4);
  CHECK(out.offsets.back() == std::string_view{" \u3000ＡbC　Ⅷß ｶ"}.size());
  CHECK(fold_points("ＡbC", folder{{false, true}}) == U"AbC");
  CHECK(fold_points("ＡbC", folder{{true, false}}) == U"ａbc");
  CHECK(fold_points("\U00010400", fold()) == U"\U00010428"); // Deseret has cases, too
  CHECK(fold_points("a\xff\xe4\xb8z", fold()) == std::u32string{U'a', malformed, malformed, U'z'});
  fold_text(" \t ", fold(), out);
  CHECK(out.points.empty());
  CHECK(out.offsets.size() == 1);
}

TEST_CASE("words of alphabets have borders, Chinese has none") {
  for (char32_t c : {U'a', U'Z', U'0', U'é', U'я', U'א'})
    CHECK(is_word_character(c));
  for (char32_t c : {U'中', U'あ', U'ก', U'한', U' ', U'-', U'_', U'\U0001F600', malformed})
    CHECK_FALSE(is_word_character(c));
}

TEST_CASE("a pattern describes the whole text") {
  CHECK(match("hello", "Hello") == strings{});
  CHECK_FALSE(match("hello", "hello!"));
  CHECK(match("hello", "  hello \n") == strings{});
  CHECK(match("天气 *", "天气 北京") == strings{"北京"});
  CHECK(match("*天气*", "北京天气怎么样") == strings{"北京", "怎么样"});
  CHECK(match("*天气*", "天气") == strings{"", ""});
  CHECK_FALSE(match("{city}天气", "天气"));
  CHECK(match("{city}天气", "北京天气") == strings{"北京"});
  CHECK(match("remind me in {n:[0-9]} min*", "Remind me in 15 minutes") == strings{"15", "utes"});
  CHECK_FALSE(match("remind me in {n:[0-9]} min*", "remind me in x minutes"));
  CHECK(match("?", "😀") == strings{});
  CHECK_FALSE(match("?", "ab"));
  CHECK(match("a\\*b", "a*b") == strings{});
  CHECK_FALSE(match("a\\*b", "axb"));
  CHECK(match("[!0-9]x", "ax") == strings{});
  CHECK_FALSE(match("[^0-9]x", "1x"));
  CHECK(match("\\[ok\\]", "[OK]") == strings{});
}

TEST_CASE("classes hold for both cases and widths, as texts are folded") {
  CHECK(match("[A-Z]", "q") == strings{});
  CHECK(match("[a-z]", "Ｑ") == strings{});
  CHECK(match("[０-９]", "5") == strings{});
  CHECK(match("[A-z]", "b") == strings{});
  CHECK(match("[@-Z]", "b") == strings{}); // a range that folding would turn round
  CHECK_FALSE(match("[!A-Z]", "q"));
  CHECK(match("[-x]", "-") == strings{});
  CHECK(match("[x-]", "-") == strings{});
  CHECK(match("[\\]]", "]") == strings{});
  CHECK(match("[一-龥]", "中") == strings{});
}

TEST_CASE("captures are as short as the whole allows, the first one first") {
  CHECK(match("*a*", "xaxa") == strings{"x", "xa"});
  CHECK(match("{a}{b}", "xyz") == strings{"x", "yz"});
  CHECK(match("*b{n:[0-9]}*", "ab12c") == strings{"a", "1", "2c"});
}

TEST_CASE("bytes that are no UTF-8 match wildcards only") {
  CHECK(match("a?b", "a\xff"
                     "b")
        == strings{});
  CHECK_FALSE(match("a[一-龥]b", "a\xff"
                                 "b"));
  CHECK(problem_of("a\xff") == "a byte that is no UTF-8 text at character 2 of the pattern");
}

TEST_CASE("what is no pattern says why and where") {
  CHECK(problem_of("") == "the pattern is empty");
  CHECK(problem_of("a**") == "a second * in a row at character 3 of the pattern");
  CHECK(problem_of("[a") == "a class without its ] at character 3 of the pattern");
  CHECK(problem_of("[]") == "an empty class at character 2 of the pattern");
  CHECK(problem_of("[b-a]").starts_with("a range that ends before it begins"));
  CHECK(problem_of("a]").starts_with("a bracket that closes nothing"));
  CHECK(problem_of("{a").starts_with("a capture without its }"));
  CHECK(problem_of("{}").starts_with("a capture without a name"));
  CHECK(problem_of("{1a}").starts_with("a capture's name that is not of the letters"));
  CHECK(problem_of("{a}{a}").starts_with("a second capture named a"));
  CHECK(problem_of("{a:b}").starts_with("no class after a capture's colon"));
  CHECK(problem_of("{a:[0-9]").starts_with("a capture without its }"));
  CHECK(problem_of("x\\").starts_with("nothing after a backslash"));
  CHECK(problem_of("{a}{b}{c}{d}{e}{f}{g}{h}{i}{j}").starts_with("more than 9 captures"));
  CHECK(problem_of(std::string(100, '?')).starts_with("more than 48 parts"));
  std::string ranges = "[";
  for (char c = 33; c < 33 + 50; ++c)
    ranges += std::string{"\\"} + c;
  CHECK(problem_of(ranges + "]").starts_with("more than 32 ranges"));
}

TEST_CASE("random patterns match what a matcher that tries everything matches") {
  std::mt19937_64 random{seed()};
  INFO("TROUPE_SEED=", seed());
  int matched = 0;
  for (int i = 0; i < 20'000; ++i) {
    auto parts = random_parts(random);
    auto text = written(parts);
    std::string problem;
    auto made = pattern::parse(text, fold(), problem);
    CAPTURE(text);
    REQUIRE(problem.empty());
    pattern::scratch memory;
    for (int k = 0; k < 5; ++k) {
      std::u32string message;
      for (auto left = random() % 9; left > 0; --left)
        message += U"ab中12*"[random() % 6];
      std::vector<pattern::span> captures;
      std::vector<pattern::span> expected;
      auto yes = try_all(parts, 0, message, 0, expected);
      REQUIRE(made.match(message, memory, captures) == yes);
      if (!yes)
        continue;
      ++matched;
      REQUIRE(captures == expected);
      auto [literal, at_start] = made.required_literal();
      auto at = message.find(literal);
      REQUIRE((at_start ? at == 0 : at != message.npos));
    }
  }
  CHECK(matched > 3'000);
}

TEST_CASE("the worst pattern takes time linear in the text") {
  std::string problem;
  auto made = pattern::parse("*a*a*a*a*a*a*a*a*b", fold(), problem);
  REQUIRE(problem.empty());
  pattern::scratch memory;
  std::vector<pattern::span> captures;
  auto start = std::chrono::steady_clock::now();
  CHECK_FALSE(made.match(std::u32string(200'000, U'a'), memory, captures));
  CHECK_FALSE(made.match(std::u32string(200'000, U'a') + U"bc", memory, captures));
  auto inside = pattern::parse("*a?a*a{x}a*a*ac*a*", fold(), problem);
  REQUIRE(problem.empty());
  CHECK_FALSE(inside.match(std::u32string(200'000, U'a'), memory, captures));
  // Going back and trying again would take years.
  CHECK(std::chrono::steady_clock::now() - start < std::chrono::seconds{20});
}
