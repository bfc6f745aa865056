// How far runs of ASCII characters reach, sixteen at a time.
#pragma once

#include <emmintrin.h>

#include <bit>
#include <cstddef>
#include <cstdint>
#include <string_view>

namespace troupe::tokens {

namespace ascii {

inline bool is_lower(char c) noexcept { return c >= 'a' && c <= 'z'; }
inline bool is_upper(char c) noexcept { return c >= 'A' && c <= 'Z'; }
inline bool is_letter(char c) noexcept { return is_lower(static_cast<char>(c | 0x20)); }

/// Where the run of a to z that may begin at `i` ends; with `any_case`, of A to Z too.
template <bool any_case>
std::size_t end_of_letters(std::string_view text, std::size_t i) noexcept {
  const auto last = _mm_set1_epi8('z' - 'a');
  for (; i + 16 <= text.size(); i += 16) {
    auto bytes = _mm_loadu_si128(reinterpret_cast<const __m128i*>(text.data() + i));
    if (any_case)
      bytes = _mm_or_si128(bytes, _mm_set1_epi8(0x20));
    bytes = _mm_sub_epi8(bytes, _mm_set1_epi8('a'));
    auto inside = _mm_movemask_epi8(_mm_cmpeq_epi8(_mm_min_epu8(bytes, last), bytes));
    if (inside != 0xffff)
      return i + static_cast<std::size_t>(std::countr_one(static_cast<std::uint32_t>(inside)));
  }
  while (i < text.size() && (any_case ? is_letter(text[i]) : is_lower(text[i])))
    ++i;
  return i;
}

/// Which of the sixteen bytes at `bytes` are lower, upper, and no ASCII at all: a bit each.
struct classes16 {
  std::uint32_t lower, upper, wide;
};

inline classes16 classes_of(const char* bytes) noexcept {
  auto value = _mm_loadu_si128(reinterpret_cast<const __m128i*>(bytes));
  auto between = [&](char from, char to) {
    auto moved = _mm_sub_epi8(value, _mm_set1_epi8(from));
    auto inside =
        _mm_cmpeq_epi8(_mm_min_epu8(moved, _mm_set1_epi8(static_cast<char>(to - from))), moved);
    return static_cast<std::uint32_t>(_mm_movemask_epi8(inside));
  };
  return {between('a', 'z'), between('A', 'Z'),
          static_cast<std::uint32_t>(_mm_movemask_epi8(value))};
}

} // namespace ascii

} // namespace troupe::tokens
