// Literals of rules in an automaton, with what to do where one is found. No CAF.
#pragma once

#include "actors/keywords/automaton.hpp"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace troupe::keywords {

/// Rules by their rank: 0 is the one that all others give way to.
using rule_rank = std::uint32_t;
inline constexpr rule_rank no_rank = ~rule_rank{0};

/// What a literal means for one rule.
struct posting {
  enum class kind : std::uint8_t {
    hit,     // the rule matches
    words,   // `detail` is its words: see whether the others are there as well
    pattern, // `detail` is its pattern: try it
  };

  rule_rank rank = 0;
  std::uint32_t detail = 0;
  kind what = kind::hit;
  bool whole_word = false; // not within a longer word
};

/// Immutable and thread-safe once built.
class literal_index {
public:
  /// Gathers what an index is built of.
  class builder {
  public:
    void add(std::u32string literal, posting what) {
      entries_.push_back({std::move(literal), what, true});
    }
    /// A literal that matters to a rule whose posting is at another one.
    void add_member(std::u32string literal, posting what) {
      entries_.push_back({std::move(literal), what, false});
    }
    literal_index build();
    /// After `build`: the literal's index in the automaton. It was added.
    std::uint32_t literal_of(std::u32string_view literal) const;

  private:
    struct entry {
      std::u32string literal;
      posting what;
      bool is_posting;
    };
    std::vector<entry> entries_; // sorted by literal and rank once built
    std::vector<std::u32string_view> literals_;
  };

  const automaton& trie() const noexcept { return trie_; }

  /// Of one literal, by rank.
  std::span<const posting> postings(std::uint32_t literal) const noexcept {
    return std::span{postings_}.subspan(first_[literal], first_[literal + 1] - first_[literal]);
  }
  /// The first rank to which the literal matters; of all literals it ends with; of the index.
  rule_rank least(std::uint32_t literal) const noexcept { return least_[literal]; }
  rule_rank least_ending(std::uint32_t literal) const noexcept { return least_ending_[literal]; }
  rule_rank least_of_all() const noexcept { return least_of_all_; }
  /// Whether it matters if the literal, or one it ends with, is found within a longer word.
  bool needs_borders(std::uint32_t literal) const noexcept {
    return (borders_[literal] & own) != 0;
  }
  bool needs_borders_ending(std::uint32_t literal) const noexcept { return borders_[literal] != 0; }

  std::size_t bytes() const noexcept;

private:
  static constexpr std::uint8_t own = 1;
  static constexpr std::uint8_t of_shorter = 2;

  automaton trie_;
  std::vector<std::uint32_t> first_; // posting of each literal, and one more
  std::vector<posting> postings_;
  std::vector<rule_rank> least_;
  std::vector<rule_rank> least_ending_;
  std::vector<std::uint8_t> borders_;
  rule_rank least_of_all_ = no_rank;
};

} // namespace troupe::keywords
