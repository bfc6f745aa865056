// Which rule answers a message: all of them compiled into one immutable set. No CAF.
#pragma once

#include "actors/keywords/exact_index.hpp"
#include "actors/keywords/literal_index.hpp"
#include "actors/keywords/pattern.hpp"
#include "actors/keywords/rule.hpp"

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace troupe::keywords {

/// A message as the rules look at it. Ids are the platform's (troupe.v1.ReplyAddress).
struct message_facts {
  std::string_view text; // UTF-8; what is malformed in it matches wildcards only
  std::string_view channel;
  std::string_view account;
  std::string_view chat_id;
  std::string_view user_id;
  bool group = false;
  std::int64_t now_us = 0; // UTC
};

/// A part of a message's text, as byte offsets.
struct text_span {
  std::size_t begin = 0;
  std::size_t end = 0;

  std::string_view of(std::string_view text) const { return text.substr(begin, end - begin); }
  bool operator==(const text_span&) const = default;
};

struct rule_match {
  const rule* what = nullptr; // lives as long as its matcher
  text_span where;            // of all_words: from the first of the words to the last
  std::vector<text_span> captures;
  std::span<const std::string> capture_names; // of a pattern; they live as long as the matcher
};

struct matcher_options {
  folding fold;
  rule_limits limits;
  std::size_t rules_max = 200'000;
  std::size_t points_max = 16'000'000;       // characters of all rules together
  std::size_t text_bytes_max = 16'384;       // of a message; longer ones match nothing
  std::size_t open_patterns_max = 256;       // patterns without an ordinary character
  std::size_t pattern_steps_max = 2'000'000; // of a message: a few milliseconds
  double bloom_bits_per_key = 12;
};

/// A rule that cannot be compiled.
struct rule_problem {
  std::size_t index = 0; // among the rules given
  std::string id;
  std::string what;
};

class matcher;

struct compiled_rules {
  std::shared_ptr<const matcher> rules; // null if there are problems
  std::vector<rule_problem> problems;   // the first of them
};

/// Immutable and thread-safe. One pass finds what can be found literally, in time linear in the
/// message's length; only rules that are reached so and would win are looked at, each once.
/// Patterns whose literal part is there are tried in order of rank, within a number of steps.
///
/// Of the rules that match and whose scope holds, the one of the highest priority wins; of equals,
/// an exact one, then that with the most ordinary characters, then by kind (prefix, contains,
/// all_words, pattern), then the least id.
class matcher {
public:
  /// Memory that matching needs; reuse one for many messages, in one thread at a time, also of
  /// several matchers.
  class scratch;

  static constexpr std::size_t problems_max = 100;
  static constexpr std::size_t zones_max = 64; // different ones in a set

  /// Checks the rules and compiles those that are enabled.
  static compiled_rules compile(std::vector<rule> rules, const matcher_options& options = {});

  /// Whether a rule may be used now (its cool-down). Called for rules that match only, but also for
  /// some that do not win.
  using usable = std::function<bool(const rule&)>;

  struct best_match {
    std::optional<rule_match> found;
    bool incomplete = false; // the text is too long, or patterns were left out: too many steps
  };
  best_match best(const message_facts& message, scratch& memory, const usable& may_use = {}) const;

  struct all_matches {
    std::vector<rule_match> found; // best first
    bool incomplete = false;       // as above, or there are more
  };
  /// For a page that shows what a text would set off.
  all_matches all(const message_facts& message, scratch& memory, std::size_t matches_max) const;

  std::size_t size() const noexcept { return rules_.size(); }
  /// By rank: the first wins over the others.
  const rule& at(rule_rank rank) const noexcept { return rules_[rank]; }
  const folder& fold() const noexcept { return fold_; }
  const exact_index& exact() const noexcept { return exact_; }
  /// Of the compiled form, beside the rules themselves.
  std::size_t index_bytes() const noexcept;

private:
  friend class matcher_builder;
  class search;

  explicit matcher(const matcher_options& options) : options_(options), fold_(options.fold) {}

  /// Words of one rule, as literals of `anywhere_`.
  struct word_list {
    std::uint32_t first = 0; // into words_
    std::uint32_t count = 0;
  };

  matcher_options options_;
  folder fold_;
  std::vector<rule> rules_;           // by rank; lists of their scopes are sorted
  std::vector<std::uint8_t> zone_of_; // 0: applies everywhere; else its clock is zones_[that - 1]
  std::vector<std::shared_ptr<const time_zone>> zones_;
  exact_index exact_;
  literal_index starts_;   // what texts begin with
  literal_index anywhere_; // what is found at any place
  std::vector<pattern> patterns_;
  std::vector<word_list> word_lists_;
  std::vector<std::uint32_t> words_;
  std::vector<posting> open_patterns_; // to be tried with every text; by rank
};

class matcher::scratch {
  friend class matcher::search;

  // How far into the text a literal's first occurrence ends, and its first as a whole word.
  struct sighting {
    std::uint32_t message = 0; // of which this is true
    std::uint32_t end = 0;
    std::uint32_t word_end = 0;
  };

  folded_text text_;
  std::vector<sighting> seen_; // by literal
  std::uint32_t message_ = 0;
  std::vector<posting> waiting_;
  std::vector<int> minute_; // of each zone's day; -1: not known yet
  pattern::scratch pattern_;
  std::vector<pattern::span> captures_;
};

/// The set in force, replaced while others match with the one before.
class live_rules {
public:
  explicit live_rules(std::shared_ptr<const matcher> first = nullptr) : now_(std::move(first)) {}

  /// Null before there is one.
  std::shared_ptr<const matcher> current() const {
    std::lock_guard lock{mutex_};
    return now_;
  }
  void replace(std::shared_ptr<const matcher> next) {
    {
      std::lock_guard lock{mutex_};
      now_.swap(next);
    }
    // The old set, if nobody else has it, is taken apart here: outside of the lock.
  }

private:
  mutable std::mutex mutex_;
  std::shared_ptr<const matcher> now_;
};

} // namespace troupe::keywords
