// Compiled rules beside a search that looks at every rule.
#include "actors/keywords/answer.hpp"
#include "actors/keywords/matcher.hpp"

#include <doctest/doctest.h>

#include <algorithm>
#include <chrono>
#include <cstdlib>
#include <optional>
#include <random>
#include <string>
#include <tuple>
#include <vector>

using namespace troupe::keywords;

namespace {

rule make(std::string id, rule_kind kind, std::string text) {
  rule r;
  r.id = std::move(id);
  r.kind = kind;
  r.text = std::move(text);
  r.answers = {{"ok", {}}};
  return r;
}

rule words(std::string id, std::vector<std::string> list) {
  auto r = make(std::move(id), rule_kind::all_words, "");
  r.words = std::move(list);
  return r;
}

std::shared_ptr<const matcher> compiled(std::vector<rule> rules, matcher_options options = {}) {
  auto result = matcher::compile(std::move(rules), options);
  for (const auto& p : result.problems)
    FAIL(p.id, ": ", p.what);
  return result.rules;
}

message_facts says(std::string_view text) {
  message_facts m;
  m.text = text;
  m.channel = "onebot";
  m.account = "bot";
  m.chat_id = "g1";
  m.user_id = "u1";
  m.group = true;
  return m;
}

std::string best_id(const matcher& rules, const message_facts& message) {
  matcher::scratch memory;
  auto found = rules.best(message, memory).found;
  return found ? found->what->id : "";
}

std::vector<std::string> all_ids(const matcher& rules, const message_facts& message) {
  matcher::scratch memory;
  std::vector<std::string> ids;
  for (const auto& m : rules.all(message, memory, 1'000).found)
    ids.push_back(m.what->id);
  return ids;
}

using strings = std::vector<std::string>;

std::uint64_t seed() {
  const char* given = std::getenv("TROUPE_SEED");
  return given == nullptr ? 20'261'127 : std::strtoull(given, nullptr, 10);
}

// --- the search that looks at every rule ---

struct oracle {
  folder fold{{}};

  std::u32string folded(std::string_view text) const {
    folded_text out;
    fold_text(text, fold, out);
    return out.points;
  }

  static bool bordered(const std::u32string& text, std::size_t at) {
    return at == 0 || at >= text.size() || !is_word_character(text[at - 1])
           || !is_word_character(text[at]);
  }

  bool occurs(const std::u32string& text, std::string_view literal, bool whole, bool start) const {
    auto wanted = folded(literal);
    for (auto at = text.find(wanted); at != text.npos; at = text.find(wanted, at + 1)) {
      auto fits = !whole || (bordered(text, at) && bordered(text, at + wanted.size()));
      if (fits && (!start || at == 0))
        return true;
    }
    return false;
  }

  bool matches(const rule& r, const std::u32string& text) const {
    switch (r.kind) {
      case rule_kind::exact:
        return text == folded(r.text);
      case rule_kind::prefix:
        return occurs(text, r.text, r.whole_words, true);
      case rule_kind::contains:
        return occurs(text, r.text, r.whole_words, false);
      case rule_kind::all_words:
        return std::all_of(r.words.begin(), r.words.end(), [&](const std::string& word) {
          return occurs(text, word, r.whole_words, false);
        });
      case rule_kind::pattern: {
        std::string problem;
        pattern::scratch memory;
        std::vector<pattern::span> captures;
        return pattern::parse(r.text, fold, problem).match(text, memory, captures);
      }
    }
    return false;
  }

  static bool has(const strings& ids, std::string_view id) {
    return ids.empty() || std::find(ids.begin(), ids.end(), id) != ids.end();
  }

  static bool in_scope(const rule_scope& s, const message_facts& m) {
    if (s.chats == chat_kind::group && !m.group)
      return false;
    if (s.chats == chat_kind::private_chat && m.group)
      return false;
    if (!s.groups.empty() && !(m.group && has(s.groups, m.chat_id)))
      return false;
    return has(s.channels, m.channel) && has(s.accounts, m.account) && has(s.users, m.user_id);
  }

  std::size_t ordinary(const rule& r) const {
    if (r.kind == rule_kind::all_words) {
      std::size_t sum = 0;
      for (const auto& word : r.words)
        sum += folded(word).size();
      return sum;
    }
    if (r.kind != rule_kind::pattern)
      return folded(r.text).size();
    std::string problem;
    return pattern::parse(r.text, fold, problem).literal_points();
  }

  bool wins(const rule& a, const rule& b) const {
    auto key = [&](const rule& r) {
      static constexpr int order[] = {0, 1, 2, 4, 3};
      auto kind = order[static_cast<int>(r.kind)];
      return std::tuple{-r.priority, kind != 0, -static_cast<int>(ordinary(r)), kind, r.id};
    };
    return key(a) < key(b);
  }

  strings all(const std::vector<rule>& rules, const message_facts& message) const {
    auto text = folded(message.text);
    std::vector<const rule*> found;
    for (const auto& r : rules)
      if (r.enabled && !text.empty() && in_scope(r.scope, message) && matches(r, text))
        found.push_back(&r);
    std::sort(found.begin(), found.end(), [&](auto* a, auto* b) { return wins(*a, *b); });
    strings ids;
    for (const auto* r : found)
      ids.push_back(r->id);
    return ids;
  }
};

class random_rules {
public:
  explicit random_rules(std::uint64_t seed) : random_(seed) {}

  std::string text(std::size_t longest, std::size_t shortest = 0) {
    static const strings letters{"a", "b", "B", "中", "文", " ", "Ａ", "😀", "-", "é"};
    std::string made;
    for (auto left = shortest + below(longest - shortest + 1); left > 0; --left)
      made += letters[below(letters.size())];
    return made;
  }

  std::string literal() {
    for (;;) {
      auto made = text(3, 1);
      if (made.find_first_not_of(' ') != made.npos)
        return made;
    }
  }

  rule next(std::size_t number) {
    auto kind = static_cast<rule_kind>(below(rule_kinds));
    auto r = make("r" + std::to_string(number), kind, "");
    if (kind == rule_kind::all_words) {
      for (int tries = 0; tries < 3; ++tries)
        r.words.push_back(literal());
    } else if (kind == rule_kind::pattern)
      r.text = below(8) == 0 ? "??" : literal() + "*" + (below(2) == 0 ? literal() : "");
    else
      r.text = literal();
    r.whole_words = kind != rule_kind::exact && kind != rule_kind::pattern && below(3) == 0;
    r.priority = static_cast<std::int32_t>(below(3)) - 1;
    r.enabled = below(10) != 0;
    if (below(4) == 0)
      r.scope.channels = {below(2) == 0 ? "onebot" : "wecom"};
    if (below(6) == 0)
      r.scope.groups = {"g2", "g1"};
    if (below(6) == 0)
      r.scope.users = {below(2) == 0 ? "u1" : "u2"};
    if (below(6) == 0 && r.scope.groups.empty())
      r.scope.chats = static_cast<chat_kind>(below(3));
    return r;
  }

  message_facts message(std::string& text_kept) {
    text_kept = text(10);
    auto m = says(text_kept);
    m.channel = below(2) == 0 ? "onebot" : "wecom";
    m.chat_id = below(2) == 0 ? "g1" : "g3";
    m.user_id = below(2) == 0 ? "u1" : "u2";
    m.group = below(2) == 0;
    return m;
  }

  std::size_t below(std::size_t n) { return random_() % n; }

private:
  std::mt19937_64 random_;
};

} // namespace

TEST_CASE("random rules find what a search that looks at every rule finds") {
  INFO("TROUPE_SEED=", seed());
  random_rules random{seed()};
  oracle all_rules;
  matcher::scratch memory; // one for all, as in an actor
  std::size_t found = 0;
  rule_checker checker;
  for (int set = 0; set < 150; ++set) {
    std::vector<rule> rules;
    auto count = 1 + random.below(60);
    while (rules.size() < count)
      if (auto r = random.next(rules.size()); checker.check(r).empty())
        rules.push_back(std::move(r));
    auto compiled_set = compiled(rules);
    for (int i = 0; i < 40; ++i) {
      std::string text;
      auto message = random.message(text);
      auto expected = all_rules.all(rules, message);
      strings got;
      auto all = compiled_set->all(message, memory, 100);
      for (const auto& m : all.found)
        got.push_back(m.what->id);
      CAPTURE(text);
      REQUIRE(got == expected);
      REQUIRE(!all.incomplete);
      auto best = compiled_set->best(message, memory);
      REQUIRE(best.found.has_value() == !expected.empty());
      if (best.found)
        REQUIRE(best.found->what->id == expected.front());
      found += expected.size();
    }
  }
  CHECK(found > 5'000);
}

TEST_CASE("of the rules that match the highest priority wins, then the more specific one") {
  auto low = make("low", rule_kind::exact, "hello world");
  auto high = make("high", rule_kind::contains, "hello");
  high.priority = 5;
  CHECK(best_id(*compiled({low, high}), says("hello world")) == "high");
  high.priority = 0;
  CHECK(best_id(*compiled({low, high}), says("Hello World")) == "low");
  auto longer = make("longer", rule_kind::contains, "hello w");
  CHECK(best_id(*compiled({high, longer}), says("oh hello world")) == "longer");
  auto prefix = make("z", rule_kind::prefix, "hello");
  auto pattern = make("a", rule_kind::pattern, "hello*");
  CHECK(all_ids(*compiled({pattern, high, prefix}), says("hello!")) == strings{"z", "high", "a"});
  CHECK(
      best_id(*compiled({make("b", rule_kind::contains, "x"), make("a", rule_kind::contains, "x")}),
              says("x"))
      == "a");
}

TEST_CASE("a match says where it is, in bytes, and what it captured") {
  matcher::scratch memory;
  auto where = [&](rule r, std::string_view text) {
    auto set = compiled({std::move(r)});
    auto found = set->best(says(text), memory).found;
    REQUIRE(found);
    strings parts{std::string{found->where.of(text)}};
    for (auto c : found->captures)
      parts.emplace_back(c.of(text));
    return parts;
  };
  CHECK(where(make("r", rule_kind::exact, "你好"), " 你好　") == strings{"你好"});
  CHECK(where(make("r", rule_kind::contains, "ＡＢ"), "中ab文") == strings{"ab"});
  CHECK(where(make("r", rule_kind::prefix, "翻译"), "翻译　 Hello 世界 ")
        == strings{"翻译", "Hello 世界"});
  CHECK(where(make("r", rule_kind::prefix, "翻译"), "翻译") == strings{"翻译", ""});
  CHECK(where(words("r", {"价格", "iPhone"}), "请问 IPHONE 的价格是多少")
        == strings{"IPHONE 的价格"});
  CHECK(where(make("r", rule_kind::pattern, "{city}天气*"), "北京天气 明天")
        == strings{"北京天气 明天", "北京", " 明天"});
}

TEST_CASE("an answer is chosen, and filled with what the message captured") {
  auto r = make("r", rule_kind::pattern, "{city}天气*");
  r.answers = {
      {"{user}@{group}/{channel}: {city} {2}, {date} {time}, {0}, {message}", {"media:sun"}},
      {"Weather of {1}", {}, true, 1}};
  auto set = compiled({r});
  matcher::scratch memory;
  auto message = says(" 北京天气?{city} ");
  message.now_us = 1'767'225'600'000'000; // 2026-01-01 UTC
  auto found = set->best(message, memory).found;
  REQUIRE(found);
  auto clock = time_zone::find("+08:30");
  auto said = answer_to(message, *found, {"Ann", "Friends"}, *clock, 0);
  CHECK(
      said.text
      == "Ann@Friends/onebot: 北京 ?{city}, 2026-01-01 08:30, 北京天气?{city},  北京天气?{city} ");
  CHECK(said.images == strings{"media:sun"});
  CHECK_FALSE(said.prompt);
  auto asked = answer_to(message, *found, {"Ann", ""}, *clock, 1);
  CHECK(asked.text == "Weather of 北京");
  CHECK(asked.prompt);
  auto broken = says("\xff天气");
  found = set->best(broken, memory).found;
  REQUIRE(found);
  CHECK(answer_to(broken, *found, {}, *clock, 1).text == "Weather of \xEF\xBF\xBD");
  CHECK(answer_to(broken, *found, {}, *clock, 1, 12).text == "Weather of ");
}

TEST_CASE("whole words are not found within longer ones, and Chinese needs no borders") {
  auto r = make("r", rule_kind::contains, "hi");
  CHECK(best_id(*compiled({r}), says("this")) == "r");
  r.whole_words = true;
  auto set = compiled({r});
  CHECK(best_id(*set, says("this")).empty());
  CHECK(best_id(*set, says("this, hi!")) == "r");
  CHECK(best_id(*set, says("说hi吧")) == "r");
  auto start = make("p", rule_kind::prefix, "hi");
  start.whole_words = true;
  CHECK(best_id(*compiled({start}), says("high")).empty());
  CHECK(best_id(*compiled({start}), says("hi, you")) == "p");
  // Behind a longer literal that was seen before, the shorter one may yet be a whole word.
  CHECK(all_ids(*compiled({make("l", rule_kind::contains, "-hi"), r}), says("-hig -hi"))
        == strings{"l", "r"});
  auto both = words("w", {"cat", "dog"});
  both.whole_words = true;
  CHECK(best_id(*compiled({both}), says("cats and dogs")).empty());
  CHECK(best_id(*compiled({both}), says("dogs, a dog and a cat")) == "w");
}

TEST_CASE("a rule holds in its hours only, by the clock of its zone") {
  auto r = make("r", rule_kind::exact, "open");
  r.scope.hours = {{22 * 60, 6 * 60}, {12 * 60, 13 * 60}};
  r.scope.zone = "Asia/Shanghai";
  auto set = compiled({r});
  auto at = [&](int hour, int minute) {
    auto m = says("open");
    m.now_us = (std::int64_t{20'000} * 24 * 60 + hour * 60 + minute - 8 * 60) * 60'000'000;
    return !best_id(*set, m).empty();
  };
  CHECK(at(22, 0));
  CHECK(at(23, 59));
  CHECK(at(5, 59));
  CHECK_FALSE(at(6, 0));
  CHECK_FALSE(at(21, 59));
  CHECK(at(12, 30));
  CHECK_FALSE(at(13, 0));
}

TEST_CASE("a rule that may not be used now leaves the message to the next one") {
  auto first = make("first", rule_kind::contains, "hello");
  auto second = make("second", rule_kind::contains, "hell");
  auto set = compiled({first, second});
  matcher::scratch memory;
  auto rested = [](const rule& r) { return r.id != "first"; };
  CHECK(set->best(says("hello"), memory, rested).found->what->id == "second");
  CHECK_FALSE(set->best(says("hello"), memory, [](const rule&) { return false; }).found);
}

TEST_CASE("rules that cannot be compiled are all named, and nothing is half compiled") {
  auto twice = make("a", rule_kind::exact, "x");
  auto broken = make("b", rule_kind::pattern, "[");
  auto result = matcher::compile({twice, broken, twice});
  CHECK(result.rules == nullptr);
  REQUIRE(result.problems.size() == 2);
  CHECK(result.problems[0].index == 1);
  CHECK(result.problems[0].id == "b");
  CHECK(result.problems[0].what == "text has a class without its ] at character 2 of the pattern");
  CHECK(result.problems[1].index == 2);
  CHECK(result.problems[1].what == "id is another rule's as well");

  matcher_options options;
  options.rules_max = 1;
  CHECK(matcher::compile({twice, broken}, options).problems.size() == 1);
  options = {};
  options.open_patterns_max = 1;
  auto open = matcher::compile(
      {make("a", rule_kind::pattern, "??"), make("b", rule_kind::pattern, "*")}, options);
  REQUIRE(open.problems.size() == 1);
  CHECK(open.problems[0].what.starts_with("2 patterns have no ordinary character"));
  options = {};
  options.points_max = 3;
  CHECK(matcher::compile({make("a", rule_kind::exact, "abcd")}, options).problems.size() == 1);
}

TEST_CASE("an empty set and empty messages match nothing") {
  auto none = compiled({});
  CHECK(best_id(*none, says("hello")).empty());
  CHECK(none->size() == 0);
  auto set = compiled({make("r", rule_kind::pattern, "*")});
  CHECK(best_id(*set, says("")).empty());
  CHECK(best_id(*set, says(" \n　")).empty());
  CHECK(best_id(*set, says("\xff")) == "r");
}

TEST_CASE("what exceeds a bound is said to be incomplete") {
  matcher_options options;
  options.text_bytes_max = 10;
  matcher::scratch memory;
  auto set = compiled({make("r", rule_kind::contains, "a")}, options);
  CHECK(set->best(says("aaaaaaaaaa"), memory).found);
  auto longer = set->best(says("aaaaaaaaaaa"), memory);
  CHECK_FALSE(longer.found);
  CHECK(longer.incomplete);

  options = {};
  options.pattern_steps_max = 1'000;
  std::vector<rule> rules;
  for (int i = 0; i < 300; ++i)
    rules.push_back(make("r" + std::to_string(i), rule_kind::pattern, "*a*[0-9]"));
  auto patterns = compiled(rules, options);
  auto many = patterns->best(says(std::string(200, 'a')), memory);
  CHECK_FALSE(many.found);
  CHECK(many.incomplete);

  rules.clear();
  for (int i = 0; i < 30; ++i)
    rules.push_back(make("r" + std::to_string(10 + i), rule_kind::contains, "a"));
  auto alike = compiled(rules);
  auto some = alike->all(says("a"), memory, 5);
  CHECK(some.incomplete);
  REQUIRE(some.found.size() == 5);
  CHECK(some.found[0].what->id == "r10");
  CHECK(some.found[4].what->id == "r14");
}

TEST_CASE("the worst rules and messages take time linear in the message") {
  // Literals that end with one another, patterns that all wait for the same one, words that all
  // rules have; none applies, so that nothing is cut short.
  std::vector<rule> rules;
  auto add = [&](rule r) {
    r.id = "r" + std::to_string(rules.size());
    r.scope.users = {"nobody"};
    rules.push_back(std::move(r));
  };
  for (std::size_t length = 1; length <= 256; ++length)
    for (int i = 0; i < 20; ++i) {
      auto r = make("", rule_kind::contains, std::string(length, 'a'));
      r.whole_words = i == 0 && length % 2 == 0;
      add(r);
    }
  for (int i = 0; i < 5'000; ++i) {
    add(make("", rule_kind::pattern, "*a*b{x}c?[0-9]*d" + std::to_string(i)));
    add(words("", {"a", "aa", "q" + std::to_string(i % 3)}));
  }
  auto set = compiled(rules);
  matcher::scratch memory;
  auto start = std::chrono::steady_clock::now();
  for (std::string text : {std::string(16'000, 'a'), std::string(15'000, 'a') + " q0 q1 q2 b"})
    CHECK_FALSE(set->best(says(text), memory).found);
  // A search that tried every rule at every place would take minutes.
  CHECK(std::chrono::steady_clock::now() - start < std::chrono::seconds{5});
}

TEST_CASE("folding is an option of the set") {
  matcher_options options;
  options.fold = {false, false};
  auto set = compiled({make("r", rule_kind::exact, "Ab")}, options);
  CHECK(best_id(*set, says("Ab")) == "r");
  CHECK(best_id(*set, says("ab")).empty());
  CHECK(best_id(*set, says("Ａb")).empty());
}

TEST_CASE("the set in force is replaced while others still match with the one before") {
  live_rules live;
  CHECK(live.current() == nullptr);
  live.replace(compiled({make("old", rule_kind::exact, "x")}));
  auto before = live.current();
  live.replace(compiled({make("new", rule_kind::exact, "x")}));
  CHECK(best_id(*before, says("x")) == "old");
  CHECK(best_id(*live.current(), says("x")) == "new");
}
