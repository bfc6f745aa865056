// Any rules over any text: what the compiled set finds is what looking at every rule finds. The
// first line is the message, each further one a rule: its kind (a letter), then its text.
#include "actors/keywords/matcher.hpp"

#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <set>
#include <string>
#include <string_view>
#include <vector>

using namespace troupe::keywords;

namespace {

constexpr std::size_t rules_max = 40;
constexpr std::size_t text_max = 2'000;

void expect(bool holds) {
  if (!holds)
    std::abort();
}

std::string_view next_line(std::string_view& input) {
  auto end = std::min(input.find('\n'), input.size());
  auto line = input.substr(0, end);
  input.remove_prefix(std::min(end + 1, input.size()));
  return line;
}

rule rule_of(std::string_view line, std::size_t number) {
  rule r;
  r.id = "r" + std::to_string(number);
  r.answers = {{"x", {}}};
  auto head = static_cast<unsigned char>(line.front());
  r.kind = static_cast<rule_kind>(head % rule_kinds);
  auto has_borders = r.kind != rule_kind::exact && r.kind != rule_kind::pattern;
  r.whole_words = has_borders && (head & 0x40) != 0;
  r.priority = head / 64;
  line.remove_prefix(1);
  if (r.kind != rule_kind::all_words) {
    r.text = line;
    return r;
  }
  while (!line.empty()) {
    auto end = std::min(line.find('|'), line.size());
    r.words.emplace_back(line.substr(0, end));
    line.remove_prefix(std::min(end + 1, line.size()));
  }
  return r;
}

class plain_search {
public:
  explicit plain_search(std::string_view message) : text_(folded(message)) {}

  bool matches(const rule& r) const {
    if (text_.empty())
      return false;
    switch (r.kind) {
      case rule_kind::exact:
        return text_ == folded(r.text);
      case rule_kind::prefix:
        return text_.starts_with(folded(r.text))
               && (!r.whole_words || bordered(folded(r.text).size()));
      case rule_kind::contains:
        return has(r.text, r.whole_words);
      case rule_kind::all_words:
        return std::all_of(r.words.begin(), r.words.end(),
                           [&](const std::string& word) { return has(word, r.whole_words); });
      case rule_kind::pattern: {
        std::string problem;
        pattern::scratch memory;
        std::vector<pattern::span> captures;
        return pattern::parse(r.text, fold_, problem).match(text_, memory, captures);
      }
    }
    return false;
  }

private:
  std::u32string folded(std::string_view text) const {
    folded_text out;
    fold_text(text, fold_, out);
    return out.points;
  }

  bool bordered(std::size_t at) const {
    return at == 0 || at >= text_.size() || !is_word_character(text_[at - 1])
           || !is_word_character(text_[at]);
  }

  bool has(std::string_view literal, bool whole) const {
    auto wanted = folded(literal);
    for (auto at = text_.find(wanted); at != text_.npos; at = text_.find(wanted, at + 1))
      if (!whole || (bordered(at) && bordered(at + wanted.size())))
        return true;
    return false;
  }

  folder fold_{{}};
  std::u32string text_;
};

} // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  static matcher::scratch memory;
  static rule_checker checker;
  std::string_view input{reinterpret_cast<const char*>(data), size};
  message_facts message;
  message.text = next_line(input).substr(0, text_max);
  std::vector<rule> rules;
  while (!input.empty() && rules.size() < rules_max) {
    auto line = next_line(input);
    if (line.empty())
      continue;
    if (auto r = rule_of(line, rules.size()); checker.check(r).empty())
      rules.push_back(std::move(r));
  }
  auto compiled = matcher::compile(rules);
  expect(compiled.rules != nullptr);
  plain_search plain{message.text};
  std::set<std::string> expected;
  for (const auto& r : rules)
    if (plain.matches(r))
      expected.insert(r.id);
  auto all = compiled.rules->all(message, memory, rules_max);
  std::set<std::string> found;
  for (const auto& m : all.found) {
    expect(m.where.begin <= m.where.end && m.where.end <= message.text.size());
    found.insert(m.what->id);
  }
  expect(found == expected && found.size() == all.found.size());
  auto best = compiled.rules->best(message, memory).found;
  expect(best.has_value() == !all.found.empty());
  expect(!best || best->what == all.found.front().what);
  return 0;
}
