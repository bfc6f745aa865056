// Looks for rules that will do harm, or nothing, before they do. No CAF.
#pragma once

#include "actors/keywords/matcher.hpp"

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace troupe::keywords {

enum class lint_kind : std::uint8_t {
  unusable,      // cannot be used as it is, or not beside the others
  never_wins,    // another rule matches wherever it does, and outranks it
  too_short,     // is found within many other words
  answers_all,   // matches whatever is written
  everyday,      // matches many lines of an ordinary text
  never_said,    // an answer that is never chosen
  long_cooldown, // rests so long that hardly anybody gets an answer
  says_nothing,  // an answer that is only white space
};

struct lint {
  lint_kind kind = lint_kind::unusable;
  std::string id;   // of the rule
  std::string text; // a sentence that says what to do

  bool operator==(const lint&) const = default;
};

/// `unusable`, `never_wins`...
std::string_view name_of(lint_kind kind) noexcept;

inline constexpr std::size_t lints_max = 10'000;
/// Of an ordinary text so many bytes are looked at, line by line as if each were a message.
inline constexpr std::size_t ordinary_bytes_max = 16u << 20;
/// A rule that matches more than one in so many of its lines is told.
inline constexpr std::size_t everyday_lines = 100;
/// Cool-downs are in memory: after so long a node was probably started anew meanwhile.
inline constexpr std::int64_t long_cooldown_ms = 7LL * 86'400'000;

/// In the order of the rules; at most `lints_max`. Takes about as long as compiling the rules and
/// matching the text of each, and the lines of `ordinary`.
std::vector<lint> linted(std::span<const rule> rules, std::string_view ordinary = {});

} // namespace troupe::keywords
