// Simple patterns: a word with places that are open.
#pragma once

#include "actors/moderation/entry.hpp"

#include <string>
#include <string_view>
#include <vector>

namespace troupe::moderation {

/// One place of a pattern. The last `optional` ones of a repeated element may be left out.
struct place {
  bool any = false; // any character; else one of `characters`
  bool optional = false;
  std::u32string characters;
};

struct pattern {
  std::vector<place> places; // at most `text_characters_max`
  std::string fault;         // a sentence, if the text is no pattern; then there are no places
};

/// `*` stands for up to this many characters.
inline constexpr std::size_t star_characters = 8;
/// The characters between brackets, at most.
inline constexpr std::size_t class_characters_max = 128;

/// Parses a pattern:
///   ?       any one character           [abc0-9]  one of these
///   *       up to eight characters      {2} {1,3} the element before so often
///   \x      x itself, also in brackets
/// It begins with a character or a bracket that is not repeated, so that it can be looked for fast.
pattern parse_pattern(std::string_view text);

} // namespace troupe::moderation
