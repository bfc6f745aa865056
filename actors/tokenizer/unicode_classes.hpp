// What a character is to the split patterns: one byte a code point.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <string_view>

namespace troupe::tokens {

/// Bits of a character's class.
namespace char_class {
inline constexpr std::uint8_t upper = 1;    // Lu Lt Lm Lo M
inline constexpr std::uint8_t lower = 2;    // Ll Lm Lo M
inline constexpr std::uint8_t letter = 4;   // L
inline constexpr std::uint8_t number = 8;   // N
inline constexpr std::uint8_t space = 16;   // White_Space
inline constexpr std::uint8_t newline = 32; // CR and LF, which are spaces too
inline constexpr std::uint8_t symbol = 64;  // P S
inline constexpr std::uint8_t cjk = 128;    // U+4E00 to U+9FA5, U+3040 to U+30FF
} // namespace char_class

// Generated at build by tools/make_unicode_classes.cpp: blocks of 256 code points, and which block
// a code point is in.
extern const std::uint8_t unicode_block_of[0x1100];
extern const std::uint8_t unicode_blocks[][256];

inline std::uint8_t class_of(std::uint32_t code_point) noexcept {
  return unicode_blocks[unicode_block_of[code_point >> 8]][code_point & 0xff];
}

/// The same for ASCII, known to the compiler.
inline constexpr auto ascii_classes = [] {
  std::array<std::uint8_t, 128> classes{};
  for (unsigned char c = '!'; c <= '~'; ++c)
    classes[c] = char_class::symbol;
  for (unsigned char c = 'A'; c <= 'Z'; ++c)
    classes[c] = char_class::upper | char_class::letter;
  for (unsigned char c = 'a'; c <= 'z'; ++c)
    classes[c] = char_class::lower | char_class::letter;
  for (unsigned char c = '0'; c <= '9'; ++c)
    classes[c] = char_class::number;
  for (unsigned char c : {' ', '\t', '\v', '\f'})
    classes[c] = char_class::space;
  for (unsigned char c : {'\r', '\n'})
    classes[c] = char_class::space | char_class::newline;
  return classes;
}();

/// One character of a text: its class and how many bytes it takes.
struct character {
  std::uint8_t kind;
  std::uint8_t bytes;
};

/// The code point of three bytes that stands at `at`, or 0 if something else does.
[[gnu::always_inline]] inline std::uint32_t three_bytes_at(std::string_view text,
                                                           std::size_t at) noexcept {
  std::uint32_t bytes = 0;
  if (at + 4 <= text.size())
    std::memcpy(&bytes, text.data() + at, 4);
  else if (at + 3 <= text.size())
    std::memcpy(&bytes, text.data() + at, 3);
  if ((bytes & 0xc0'c0f0) != 0x80'80e0)
    return 0;
  auto value = (bytes & 0x0f) << 12 | (bytes >> 2 & 0xfc0) | (bytes >> 16 & 0x3f);
  return value < 0x800 ? 0 : value;
}

/// As character_at, where no character of one or three bytes is.
inline character other_character_at(std::string_view text, std::size_t at) noexcept {
  auto byte = [&](std::size_t i) -> std::uint32_t {
    return at + i < text.size() ? static_cast<unsigned char>(text[at + i]) : 0u;
  };
  auto continues = [&](std::size_t i) { return (byte(i) & 0xc0) == 0x80; };
  auto first = byte(0);
  if (first >= 0xc2 && first < 0xe0 && continues(1))
    return {class_of((first & 0x1f) << 6 | (byte(1) & 0x3f)), 2};
  if (first >= 0xf0 && first < 0xf5 && continues(1) && continues(2) && continues(3)) {
    auto code =
        (first & 0x07) << 18 | (byte(1) & 0x3f) << 12 | (byte(2) & 0x3f) << 6 | (byte(3) & 0x3f);
    if (code >= 0x10000 && code <= 0x10ffff)
      return {class_of(code), 4};
  }
  return {0, 1};
}

/// The character at `at`, which is inside the text. A byte that starts no valid UTF-8 sequence
/// (overlong forms, surrogates and what lies above U+10FFFF are invalid) is a character of its own
/// without a class.
[[gnu::always_inline]] inline character character_at(std::string_view text,
                                                     std::size_t at) noexcept {
  if (auto first = static_cast<unsigned char>(text[at]); first < 0x80)
    return {ascii_classes[first], 1};
  if (auto wide = three_bytes_at(text, at); wide != 0 && (wide < 0xd800 || wide > 0xdfff))
    return {class_of(wide), 3};
  return other_character_at(text, at);
}

/// Where the first byte lies that is not part of valid UTF-8; the text's size if there is none.
std::size_t first_invalid_utf8(std::string_view text) noexcept;

} // namespace troupe::tokens
