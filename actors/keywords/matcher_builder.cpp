#include "actors/keywords/matcher.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <numeric>
#include <tuple>
#include <unordered_map>
#include <unordered_set>

namespace troupe::keywords {

/// Compiles one set: checks, ranks, then fills the indexes.
class matcher_builder {
public:
  matcher_builder(std::vector<rule> rules, const matcher_options& options) :
      rules_(std::move(rules)),
      options_(options),
      checker_(options.limits, options.fold),
      made_(std::shared_ptr<matcher>(new matcher{options})) {}

  compiled_rules run() {
    check();
    if (problems_.empty())
      read();
    if (problems_.empty())
      rank();
    if (problems_.empty())
      fill();
    if (!problems_.empty())
      return {nullptr, std::move(problems_)};
    return {std::move(made_), {}};
  }

private:
  /// What is read of a rule before its rank is known.
  struct reading {
    std::size_t index = 0;             // of the rule
    std::vector<std::u32string> texts; // folded; none of a pattern
    pattern wildcards;
    std::size_t ordinary = 0; // characters
  };

  void fail(std::size_t index, std::string what) {
    if (problems_.size() < matcher::problems_max)
      problems_.push_back({index, index < rules_.size() ? rules_[index].id : "", std::move(what)});
  }

  void check() {
    if (rules_.size() > options_.rules_max)
      return fail(rules_.size(), fmt::format("there are {} rules, and at most {} are allowed",
                                             rules_.size(), options_.rules_max));
    std::unordered_set<std::string_view> ids;
    for (std::size_t i = 0; i < rules_.size(); ++i) {
      if (auto wrong = checker_.check(rules_[i]); !wrong.empty())
        fail(i, std::move(wrong));
      else if (!ids.insert(rules_[i].id).second)
        fail(i, "id is another rule's as well");
    }
  }

  std::u32string folded(std::string_view text) {
    fold_text(text, made_->fold_, folded_);
    return folded_.points;
  }

  void read() {
    std::size_t points = 0;
    std::size_t open_patterns = 0;
    for (std::size_t i = 0; i < rules_.size(); ++i) {
      const auto& r = rules_[i];
      if (!r.enabled)
        continue;
      reading read{i, {}, {}, 0};
      if (r.kind == rule_kind::pattern) {
        std::string problem; // none: it was checked
        read.wildcards = pattern::parse(r.text, made_->fold_, problem);
        read.ordinary = read.wildcards.literal_points();
        open_patterns += read.ordinary == 0 ? 1 : 0;
      } else if (r.kind == rule_kind::all_words) {
        for (const auto& word : r.words)
          read.texts.push_back(folded(word));
      } else
        read.texts.push_back(folded(r.text));
      for (const auto& text : read.texts)
        read.ordinary += text.size();
      points += read.ordinary;
      readings_.push_back(std::move(read));
    }
    if (points > options_.points_max)
      fail(rules_.size(), fmt::format("the rules have {} characters together, and at most {} are "
                                      "allowed",
                                      points, options_.points_max));
    if (open_patterns > options_.open_patterns_max)
      fail(rules_.size(), fmt::format("{} patterns have no ordinary character, and at most {} are "
                                      "allowed: each of them is tried with every message",
                                      open_patterns, options_.open_patterns_max));
  }

  void rank() {
    static constexpr int order_of_kind[rule_kinds] = {0, 1, 2, 4, 3}; // by rule_kind
    auto key = [&](const reading& x) {
      const auto& r = rules_[x.index];
      auto kind = order_of_kind[static_cast<std::size_t>(r.kind)];
      return std::tuple{-r.priority, kind == 0 ? 0 : 1, -static_cast<std::int64_t>(x.ordinary),
                        kind, std::string_view{r.id}};
    };
    std::sort(readings_.begin(), readings_.end(),
              [&](const reading& a, const reading& b) { return key(a) < key(b); });
    std::unordered_map<std::string, std::uint8_t> zones;
    made_->rules_.reserve(readings_.size());
    for (const auto& x : readings_) {
      made_->rules_.push_back(std::move(rules_[x.index]));
      add_scope(made_->rules_.back(), x.index, zones);
    }
  }

  void add_scope(rule& r, std::size_t index, std::unordered_map<std::string, std::uint8_t>& zones) {
    auto& scope = r.scope;
    static const rule_scope everywhere;
    if (scope == everywhere) {
      made_->zone_of_.push_back(0);
      return;
    }
    for (auto* ids : {&scope.channels, &scope.accounts, &scope.groups, &scope.users})
      std::sort(ids->begin(), ids->end());
    auto [zone, added] = zones.emplace(scope.zone, 0);
    if (added) {
      made_->zones_.push_back(checker_.zone(scope.zone));
      zone->second = static_cast<std::uint8_t>(made_->zones_.size());
      if (zones.size() == matcher::zones_max + 1)
        problems_.push_back(
            {index, r.id, fmt::format("scope.zone is one of more than {}", matcher::zones_max)});
    }
    made_->zone_of_.push_back(zone->second);
  }

  void fill() {
    count_words();
    std::vector<std::pair<std::u32string, rule_rank>> exact;
    for (rule_rank rank = 0; rank < readings_.size(); ++rank) {
      auto& x = readings_[rank];
      const auto& r = made_->rules_[rank];
      posting hit{rank, 0, posting::kind::hit, r.whole_words};
      switch (r.kind) {
        case rule_kind::exact:
          exact.emplace_back(std::move(x.texts[0]), rank);
          break;
        case rule_kind::prefix:
          starts_.add(std::move(x.texts[0]), hit);
          break;
        case rule_kind::contains:
          anywhere_.add(std::move(x.texts[0]), hit);
          break;
        case rule_kind::all_words:
          add_words(x.texts, hit);
          break;
        case rule_kind::pattern:
          add_pattern(std::move(x.wildcards), rank);
          break;
      }
    }
    made_->patterns_.shrink_to_fit();
    made_->exact_ = exact_index{std::move(exact), options_.bloom_bits_per_key};
    made_->starts_ = starts_.build();
    made_->anywhere_ = anywhere_.build();
    for (const auto& word : words_)
      made_->words_.push_back(anywhere_.literal_of(word));
  }

  void count_words() {
    for (rule_rank rank = 0; rank < readings_.size(); ++rank)
      if (made_->rules_[rank].kind == rule_kind::all_words)
        for (const auto& word : readings_[rank].texts)
          ++rules_with_[word];
  }

  // The word that the fewest rules have is the one to wait for; of equals the longest.
  void add_words(std::vector<std::u32string>& words, posting what) {
    auto rarer = [&](const std::u32string& a, const std::u32string& b) {
      return std::tuple{rules_with_[a], b.size()} < std::tuple{rules_with_[b], a.size()};
    };
    auto rarest = std::min_element(words.begin(), words.end(), rarer);
    what.what = posting::kind::words;
    what.detail = static_cast<std::uint32_t>(made_->word_lists_.size());
    made_->word_lists_.push_back(
        {static_cast<std::uint32_t>(words_.size()), static_cast<std::uint32_t>(words.size())});
    for (auto i = words.begin(); i != words.end(); ++i) {
      words_.push_back(*i);
      if (i == rarest)
        anywhere_.add(std::move(*i), what);
      else
        anywhere_.add_member(std::move(*i), what);
    }
  }

  void add_pattern(pattern wildcards, rule_rank rank) {
    auto [literal, at_start] = wildcards.required_literal();
    posting what{rank, static_cast<std::uint32_t>(made_->patterns_.size()), posting::kind::pattern};
    if (literal.empty())
      made_->open_patterns_.push_back(what);
    else
      (at_start ? starts_ : anywhere_).add(std::u32string{literal}, what);
    made_->patterns_.push_back(std::move(wildcards));
  }

  std::vector<rule> rules_;
  const matcher_options& options_;
  rule_checker checker_;
  std::shared_ptr<matcher> made_;
  std::vector<rule_problem> problems_;
  std::vector<reading> readings_; // of the enabled rules; by rank later
  folded_text folded_;
  std::unordered_map<std::u32string, std::uint32_t> rules_with_; // of each word
  std::vector<std::u32string> words_;                            // of all word lists
  literal_index::builder starts_;
  literal_index::builder anywhere_;
};

compiled_rules matcher::compile(std::vector<rule> rules, const matcher_options& options) {
  return matcher_builder{std::move(rules), options}.run();
}

} // namespace troupe::keywords
