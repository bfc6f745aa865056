// The pieces of a stream: too short for what automaton_scan.cpp does in bulk to be worth its start,
// and for any branch in it to be foreseen.
#include "actors/moderation/automaton_scan.hpp"

#include <emmintrin.h>

#include <algorithm>
#include <bit>

namespace troupe::moderation {

namespace {

static_assert(piece_bytes_max < 64, "a piece's bytes have a bit each, and one is beyond");

// A text of up to `piece_bytes_max` bytes, all its characters at once, if they are of ASCII or of
// three bytes each.
class decoded_piece {
public:
  explicit decoded_piece(std::string_view text) noexcept {
    const auto size = text.size();
    if (size < vector_bytes) {
      char padded[vector_bytes] = {};
      std::memcpy(padded, text.data(), size);
      add(padded, 0);
    } else {
      for (std::size_t at = 0; at + vector_bytes < size; at += whole)
        add(text.data() + at, at);
      add(text.data() + size - vector_bytes, size - vector_bytes); // some bytes again
    }
    const auto all = (std::uint64_t{1} << size) - 1;
    ascii_ &= all;
    valid_ = (ascii_ | continues_ | three_) == all && continues_ == (three_ << 1 | three_ << 2);
  }

  bool valid() const noexcept { return valid_; }
  /// The first bytes of characters, a bit each.
  std::uint64_t firsts() const noexcept { return ascii_ | three_; }
  /// Of the character that begins there.
  std::uint16_t code_point_at(std::size_t at) const noexcept { return code_points_[at]; }

private:
  static constexpr std::size_t vector_bytes = 16;
  static constexpr std::size_t whole = vector_bytes - 2; // beginnings whose characters are seen

  // What may begin at each of the bytes; the last two characters are seen in the next vector.
  void add(const char* from, std::size_t at) noexcept {
    auto zero = _mm_setzero_si128();
    auto bytes = _mm_loadu_si128(reinterpret_cast<const __m128i*>(from));
    auto where = [&](__m128i set) {
      return std::uint64_t{static_cast<std::uint32_t>(_mm_movemask_epi8(set))} << at;
    };
    auto below = [&](int bound) { // as signed numbers: those of ASCII are 0 and more
      return _mm_cmplt_epi8(bytes, _mm_set1_epi8(static_cast<char>(bound)));
    };
    auto is_ascii = _mm_cmpgt_epi8(bytes, _mm_set1_epi8(-1));
    ascii_ |= where(is_ascii);
    continues_ |= where(below(0xc0));
    // From e1 on: after e0 not everything may follow.
    three_ |= where(_mm_andnot_si128(below(0xe1), below(0xf0)));
    auto low = _mm_and_si128(bytes, _mm_set1_epi8(0x3f));
    auto second = _mm_srli_si128(low, 1), third = _mm_srli_si128(low, 2);
    auto put = [&](std::size_t i, auto&& half) {
      auto one = half(bytes, zero), ascii = half(is_ascii, is_ascii);
      auto three =
          _mm_or_si128(_mm_slli_epi16(one, 12),
                       _mm_or_si128(_mm_slli_epi16(half(second, zero), 6), half(third, zero)));
      auto code_points = _mm_or_si128(_mm_and_si128(ascii, one), _mm_andnot_si128(ascii, three));
      _mm_storeu_si128(reinterpret_cast<__m128i*>(code_points_ + at + i), code_points);
    };
    put(0, [](__m128i a, __m128i b) { return _mm_unpacklo_epi8(a, b); });
    put(8, [](__m128i a, __m128i b) { return _mm_unpackhi_epi8(a, b); });
  }

  std::uint64_t ascii_ = 0, continues_ = 0, three_ = 0;
  bool valid_;
  std::uint16_t code_points_[piece_bytes_max + vector_bytes];
};

} // namespace

// Turns the characters into codes, if that can be done at once.
template <bool Symbols, bool Repeats>
bool automaton_scan::read_piece(piece_codes& made) {
  const decoded_piece piece{text};
  if (!piece.valid())
    return false;
  const auto* code_of = machine.code_of_.data();
  const auto* pairs = machine.pairs_.bits.data();
  const auto shift = machine.pairs_.shift;
  auto after = context;
  counted<Symbols, Repeats> count{after};
  // Of the pair that ends with the last code: how words go on after it, and whether one begins so.
  std::uint64_t ways = 0, is_pair = 0, begins_words = 0;
  std::uint32_t pair = 0, latin = 0, most = 0;
  std::size_t n = 0;
  auto put = [&](codes::code code, std::size_t at) {
    auto goes_on = (ways >> groups::way(code) | ways >> groups::way(0)) & is_pair;
    begins_words = begins_words >> 1 | goes_on << 63;
    pair = pair >> 16 | std::uint32_t{code} << 16;
    auto hashed = groups::hashed(pair);
    auto place = hashed >> shift;
    is_pair = pairs[place >> 6] >> (place & 63) & 1;
    ways = machine.ways_of(hashed & -is_pair); // of all others the same, which is near
    latin |= static_cast<std::uint32_t>(codes::is_latin(code));
    most = std::max<std::uint32_t>(most, code);
    block.at[n] = static_cast<std::uint32_t>(at);
    block.code[n++] = code;
  };
  for (auto firsts = piece.firsts(); firsts != 0; firsts &= firsts - 1) {
    auto at = static_cast<std::size_t>(std::countr_zero(firsts));
    auto code = code_of[piece.code_point_at(at)];
    codes::code between;
    if (!count.takes(code, between))
      continue;
    if (between != codes::other)
      put(between, at);
    put(code, at);
  }
  block.size = n;
  std::fill_n(block.code + n, codes_beyond, codes::other);
  context = after;
  made.has_latin = latin != 0;
  made.has_single = most >= machine.first_single_;
  // What began before the text is not meant.
  made.begins_words = n < 3 ? 0 : begins_words >> (66 - n);
  made.last_pair = n >= 2 && is_pair != 0;
  return true;
}

std::size_t automaton_scan::run_piece(std::size_t hits_max) {
  piece_codes made;
  if (!for_folds(
          [&](auto symbols, auto repeats) { return read_piece<symbols(), repeats()>(made); }))
    return run(hits_max);
  const auto size = block.size;
  if ((made.has_latin && (machine.has_fours_ || machine.latin_singles_ != 0)) || made.has_single)
    return walk_all(sift_any(size, true), hits_max);
  std::size_t count = 0;
  for (auto may = made.begins_words; may != 0; may &= may - 1)
    begins[count++] = static_cast<std::uint16_t>(std::countr_zero(may));
  auto pair = code_trie::glance{};
  if (made.last_pair) // no branch
    pair = machine.trie_.glance_at(block.code[size - 2], block.code[size - 1]);
  if (count != 0 || pair.unsure) {
    if (made.last_pair)
      begins[count++] = static_cast<std::uint16_t>(size - 2);
    return walk_all(count, hits_max);
  }
  auto held = size - holds_last(true);
  held = pair.goes_on ? size - 2 : held;
  return held < size ? hold_at(block.at[held]) : pass_all();
}

} // namespace troupe::moderation
