// The first two or three codes of words, looked up without a branch: where a text breaks off,
// nobody can foresee what stands there. Part of automaton.hpp.
#pragma once

#include "actors/moderation/code_groups.hpp"
#include "actors/moderation/code_trie.hpp"

#include <emmintrin.h>

#include <cstddef>
#include <cstdint>
#include <vector>

namespace troupe::moderation {

/// Of all pairs of codes. Immutable once filled.
class pair_beginnings {
public:
  struct beginning {
    bool goes_on; // longer words begin with the pair
    bool unsure;  // a word may end with it, or nothing is known: a walk has to tell
  };

  void fill(const std::vector<code_trie::item>& words);
  /// Of a pair with its first code in the lower half.
  beginning of(std::uint32_t pair) const noexcept {
    const auto& here = buckets_[bucket_of(pair)];
    auto wanted = _mm_set1_epi32(static_cast<int>(pair));
    const auto* four = reinterpret_cast<const __m128i*>(&here);
    auto low = _mm_cmpeq_epi32(_mm_load_si128(four), wanted);
    auto high = _mm_cmpeq_epi32(_mm_load_si128(four + 1), wanted);
    auto equal = _mm_packs_epi16(_mm_packs_epi32(low, high), _mm_setzero_si128());
    auto found = static_cast<unsigned>(_mm_movemask_epi8(equal)) & 0x7f;
    return {(found & here.about) != 0, ((found << 8 | is_full) & here.about) != 0};
  }
  std::size_t memory_bytes() const noexcept { return buckets_.capacity() * sizeof(bucket); }

private:
  static constexpr std::uint32_t is_full = 1u << 31; // more pairs would be here
  struct alignas(32) bucket {
    std::uint32_t pairs[7] = {};
    std::uint32_t about = 0; // a bit each: from 0 that longer words begin so, from 8 that one ends
  };
  static_assert(sizeof(bucket) == 32);
  std::size_t bucket_of(std::uint32_t pair) const noexcept {
    return static_cast<std::size_t>((groups::hashed(pair) >> 32) * buckets_.size() >> 32);
  }

  std::vector<bucket> buckets_ = std::vector<bucket>(1);
};

/// Of three Latin letters or digits. Immutable once filled.
class three_beginnings {
public:
  /// They are so many different ones; their codes begin with `first`.
  static constexpr unsigned first = 3, count = 62;

  void fill(const std::vector<code_trie::item>& words);
  /// Whether longer words begin with them.
  bool go_on(code_trie::code a, code_trie::code b, code_trie::code c) const noexcept {
    return go_on_[slot_of(a, b, c)] != 0;
  }
  std::size_t memory_bytes() const noexcept { return go_on_.capacity(); }

private:
  static std::size_t slot_of(unsigned a, unsigned b, unsigned c) noexcept {
    return ((a - first) * count + b - first) * count + c - first;
  }

  std::vector<std::uint8_t> go_on_ = std::vector<std::uint8_t>(count * count * count);
};

} // namespace troupe::moderation
