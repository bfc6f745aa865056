// Texts with what was found in them masked or replaced.
#pragma once

#include "actors/moderation/matcher.hpp"

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace troupe::moderation {

/// Writes the text of one message, hit after hit in their order. Hits to log or review stay as they
/// are; those to mask or to block are written as a `*` for each character; of those to replace,
/// their replacement. What several hits share is written once, as the first one says.
class renderer {
public:
  /// `text` begins at the offset `base` of the message and reaches to the hit's end.
  void write(const hit& one, std::string_view replacement, std::string_view text,
             std::uint64_t base, std::string& out);
  /// Writes what is left before the offset `end` of the message.
  void pass(std::uint64_t end, std::string_view text, std::uint64_t base, std::string& out);
  /// It was written elsewhere.
  void skip(std::uint64_t end) noexcept { written_ = end; }
  /// Up to here everything is written.
  std::uint64_t written() const noexcept { return written_; }

private:
  std::uint64_t written_ = 0;
};

/// The text with what was found in it masked or replaced.
std::string rendered(const matcher& words, std::string_view text, const std::vector<hit>& hits);

} // namespace troupe::moderation
