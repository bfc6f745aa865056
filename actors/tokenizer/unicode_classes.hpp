// What a character is to the split patterns: one byte a code point.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>

namespace troupe::tokens {

/// Bits of a character's class. A character without any is punctuation, a symbol or unassigned.
namespace char_class {
inline constexpr std::uint8_t upper = 1;    // Lu Lt Lm Lo M
inline constexpr std::uint8_t lower = 2;    // Ll Lm Lo M
inline constexpr std::uint8_t letter = 4;   // L
inline constexpr std::uint8_t number = 8;   // N
inline constexpr std::uint8_t space = 16;   // White_Space
inline constexpr std::uint8_t newline = 32; // CR and LF, which are spaces too
} // namespace char_class

// Generated at build by tools/make_unicode_classes.cpp: blocks of 256 code points, and which block
// a code point is in.
extern const std::uint8_t unicode_block_of[0x1100];
extern const std::uint8_t unicode_blocks[][256];

inline std::uint8_t class_of(std::uint32_t code_point) noexcept {
  return unicode_blocks[unicode_block_of[code_point >> 8]][code_point & 0xff];
}

/// One character of a text: its class and how many bytes it takes.
struct character {
  std::uint8_t kind;
  std::uint8_t bytes;
};

/// The character at `at`, which is inside the text. A byte that starts no valid UTF-8 sequence
/// (overlong forms, surrogates and what lies above U+10FFFF are invalid) is a character of its own
/// without a class.
inline character character_at(std::string_view text, std::size_t at) noexcept {
  auto byte = [&](std::size_t i) -> std::uint32_t {
    return at + i < text.size() ? static_cast<unsigned char>(text[at + i]) : 0u;
  };
  auto continues = [&](std::size_t i) { return (byte(i) & 0xc0) == 0x80; };
  auto first = byte(0);
  if (first < 0x80)
    return {unicode_blocks[unicode_block_of[0]][first], 1};
  if (first >= 0xc2 && first < 0xe0 && continues(1))
    return {class_of((first & 0x1f) << 6 | (byte(1) & 0x3f)), 2};
  if (first >= 0xe0 && first < 0xf0 && continues(1) && continues(2)) {
    auto code = (first & 0x0f) << 12 | (byte(1) & 0x3f) << 6 | (byte(2) & 0x3f);
    if (code >= 0x800 && (code < 0xd800 || code > 0xdfff))
      return {class_of(code), 3};
  }
  if (first >= 0xf0 && first < 0xf5 && continues(1) && continues(2) && continues(3)) {
    auto code =
        (first & 0x07) << 18 | (byte(1) & 0x3f) << 12 | (byte(2) & 0x3f) << 6 | (byte(3) & 0x3f);
    if (code >= 0x10000 && code <= 0x10ffff)
      return {class_of(code), 4};
  }
  return {0, 1};
}

/// Where the first byte lies that is not part of valid UTF-8; the text's size if there is none.
std::size_t first_invalid_utf8(std::string_view text) noexcept;

} // namespace troupe::tokens
