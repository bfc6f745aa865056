// UTF-8 read and written, one code point at a time.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace troupe::charset {

inline constexpr char32_t no_code_point = 0xffff'ffff;

struct code_point {
  char32_t value;    // no_code_point if there is none
  std::size_t bytes; // of an invalid sequence, as many as could begin a valid one; at least 1
};

/// What stands at `at`, which is inside the text.
inline code_point decode_utf8(std::string_view text, std::size_t at) noexcept {
  auto byte = [&](std::size_t i) -> unsigned char {
    return at + i < text.size() ? static_cast<unsigned char>(text[at + i]) : 0;
  };
  auto first = byte(0);
  if (first < 0x80)
    return {first, 1};
  std::size_t length = first >= 0xc2 && first <= 0xdf   ? 2
                       : first >= 0xe0 && first <= 0xef ? 3
                       : first >= 0xf0 && first <= 0xf4 ? 4
                                                        : 0;
  if (length == 0)
    return {no_code_point, 1};
  // Overlong forms, surrogates and what is above U+10FFFF show in the second byte.
  unsigned char low = first == 0xe0 ? 0xa0 : first == 0xf0 ? 0x90 : 0x80;
  unsigned char high = first == 0xed ? 0x9f : first == 0xf4 ? 0x8f : 0xbf;
  if (byte(1) < low || byte(1) > high)
    return {no_code_point, 1};
  char32_t value = first & (0xffu >> (length + 1));
  for (std::size_t i = 1; i < length; ++i) {
    if ((byte(i) & 0xc0) != 0x80)
      return {no_code_point, i};
    value = value << 6 | (byte(i) & 0x3fu);
  }
  return {value, length};
}

/// Where the valid UTF-8 that begins at `begin` ends.
inline std::size_t end_of_valid_utf8(std::string_view text, std::size_t begin) noexcept {
  while (begin < text.size()) {
    auto [value, bytes] = decode_utf8(text, begin);
    if (value == no_code_point)
      break;
    begin += bytes;
  }
  return begin;
}

/// A surrogate is written as U+FFFD.
inline void append_utf8(std::string& text, char32_t value) {
  auto put = [&](char32_t byte) { text += static_cast<char>(byte); };
  if (value >= 0xd800 && value <= 0xdfff)
    value = 0xfffd;
  if (value < 0x80)
    return put(value);
  if (value < 0x800) {
    put(0xc0 | value >> 6);
  } else {
    if (value < 0x10000) {
      put(0xe0 | value >> 12);
    } else {
      put(0xf0 | value >> 18);
      put(0x80 | (value >> 12 & 0x3f));
    }
    put(0x80 | (value >> 6 & 0x3f));
  }
  put(0x80 | (value & 0x3f));
}

inline void append_utf8(std::string& text, std::u16string_view units) {
  for (std::size_t i = 0; i < units.size(); ++i) {
    char32_t value = units[i];
    if (value >= 0xd800 && value < 0xdc00 && i + 1 < units.size() && units[i + 1] >= 0xdc00
        && units[i + 1] <= 0xdfff)
      value = 0x10000 + ((value - 0xd800) << 10) + (units[++i] - 0xdc00u);
    append_utf8(text, value);
  }
}

/// Of valid UTF-8.
inline std::u16string utf16_of(std::string_view text) {
  std::u16string units;
  units.reserve(text.size());
  for (std::size_t i = 0; i < text.size();) {
    auto [value, bytes] = decode_utf8(text, i);
    if (value > 0xffff) {
      units += static_cast<char16_t>(0xd800 + ((value - 0x10000) >> 10));
      units += static_cast<char16_t>(0xdc00 + ((value - 0x10000) & 0x3ff));
    } else {
      units += static_cast<char16_t>(value);
    }
    i += bytes;
  }
  return units;
}

} // namespace troupe::charset
