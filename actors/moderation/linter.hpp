// Looks for entries of a lexicon that will do harm, before they do.
#pragma once

#include "actors/moderation/matcher.hpp"

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace troupe::moderation {

enum class lint_kind : std::uint8_t {
  unusable,      // cannot be used as it is; the matcher leaves it out
  too_short,     // will be found within many other words
  everyday,      // is an everyday word, or is found often in an ordinary text
  duplicate,     // is there already, as it is seen through the folds
  contradiction, // is there already with another action or level, or as allowed
  idle,          // is an allowed word around which nothing is found
};

struct lint {
  lint_kind kind;
  std::size_t entry;
  std::string text; // a sentence that names the entry's text and says what to do

  friend bool operator==(const lint&, const lint&) = default;
};

/// `unusable`, `too_short`, `everyday`, `duplicate`, `contradiction` or `idle`.
std::string_view name_of(lint_kind kind) noexcept;

/// A text of everyday life; entries that are found in it more often than once in so many characters
/// are told.
inline constexpr std::size_t everyday_characters = 20'000;
inline constexpr std::size_t ordinary_bytes_max = 16u << 20; // what is longer is not looked at
inline constexpr std::size_t lints_max = 10'000;

/// By entry; at most `lints_max`. `ordinary` may be empty: then only the most common words of
/// Chinese and English are known as everyday ones. Takes as long as making a matcher and searching
/// `ordinary` with it.
std::vector<lint> linted(const lexicon& words, const matcher_options& options,
                         std::string_view ordinary = {});

} // namespace troupe::moderation
