// Finds words by their sound: 微信, 威信, wei信 and weixin are one. Part of matcher.hpp.
#pragma once

#include "actors/moderation/automaton.hpp"

#include <string>
#include <string_view>
#include <vector>

namespace troupe::moderation {

/// Immutable and thread-safe once built. A trie over the letters of the words' readings, walked
/// from every character of a text: slower than the automaton, and only for entries that ask for it.
class pinyin_index {
public:
  pinyin_index() = default;
  /// Items are words; those with less than two Han characters that have a reading, or with other
  /// characters than these, are told in `problems`.
  pinyin_index(const std::vector<automaton_item>& items, fold_set folds,
               std::vector<problem>& problems);

  bool empty() const noexcept { return trie_.empty(); }
  std::size_t memory_bytes() const noexcept;

  /// As `automaton::scan`; `before` tells whether a Latin letter stands before the text, and
  /// afterwards before the offset returned.
  std::size_t scan(std::string_view text, bool& before, bool final, audience to,
                   std::size_t hits_max, std::vector<found>& hits) const;

private:
  struct word {
    std::uint32_t next, entry;
    audience to;
    std::string lengths; // of the syllables
  };
  enum class outcome : std::uint8_t { done, needs_more };

  outcome walk(std::string_view text, std::size_t begin, bool final, audience to,
               std::vector<found>& hits) const;
  std::string_view letters_of(char32_t code_point, char& buffer) const;
  bool skips(char32_t code_point) const;

  fold_set folds_;
  code_trie trie_;
  std::vector<word> words_;
};

} // namespace troupe::moderation
