// Where in a block of codes words may begin, in two looks: one that is quick, and one at what is
// left.
#include "actors/moderation/automaton_scan.hpp"

#include <immintrin.h>

#include <algorithm>
#include <array>
#include <bit>

namespace troupe::moderation {

namespace {

constexpr std::size_t lanes = 8;

bool has_avx2() noexcept {
  static const bool here = __builtin_cpu_supports("avx2") != 0;
  return here;
}

// Which bits of a byte are set: their numbers, in order.
constexpr auto made_places() {
  std::array<std::array<std::uint8_t, lanes>, 256> made{};
  for (unsigned byte = 0; byte < made.size(); ++byte)
    for (unsigned i = 0, n = 0; i < lanes; ++i)
      if (byte >> i & 1)
        made[byte][n++] = static_cast<std::uint8_t>(i);
  return made;
}
constexpr auto places_of = made_places();

// Which of eight bits are set, the first one of a word being its highest.
[[gnu::target("avx2"), gnu::always_inline]] inline unsigned bits_at(const std::uint32_t* bits,
                                                                    __m256i places) noexcept {
  auto words =
      _mm256_i32gather_epi32(reinterpret_cast<const int*>(bits), _mm256_srli_epi32(places, 5), 4);
  auto up = _mm256_and_si256(places, _mm256_set1_epi32(31));
  auto found = _mm256_castsi256_ps(_mm256_sllv_epi32(words, up));
  return static_cast<unsigned>(_mm256_movemask_ps(found));
}

// Where a gate has eight keys.
[[gnu::target("avx2"), gnu::always_inline]] inline __m256i places_in(unsigned shift,
                                                                     __m256i keys) noexcept {
  auto factor = _mm256_set1_epi32(static_cast<int>(groups::key_factor));
  return _mm256_srl_epi32(_mm256_mullo_epi32(keys, factor),
                          _mm_cvtsi32_si128(static_cast<int>(shift)));
}

// Which of eight codes are within bounds, as words of bits.
[[gnu::always_inline]] inline __m128i within(__m128i some, int first, int end) noexcept {
  auto codes = [](int one) { return _mm_set1_epi16(static_cast<short>(one)); };
  return _mm_and_si128(_mm_cmpgt_epi16(some, codes(first - 1)), _mm_cmplt_epi16(some, codes(end)));
}
[[gnu::always_inline]] inline unsigned bits_of(__m128i words) noexcept {
  return static_cast<unsigned>(_mm_movemask_epi8(_mm_packs_epi16(words, words))) & 0xff;
}
[[gnu::always_inline]] inline __m128i eight_at(const codes::code* codes) noexcept {
  return _mm_loadu_si128(reinterpret_cast<const __m128i*>(codes));
}

// Puts the numbers of the bits that are set to `out`, where there is room for eight. Their count.
[[gnu::always_inline]] inline std::size_t put_numbers(unsigned bits, std::size_t base,
                                                      std::uint16_t* out) noexcept {
  auto found = _mm_loadl_epi64(reinterpret_cast<const __m128i*>(places_of[bits].data()));
  auto numbers = _mm_add_epi16(_mm_unpacklo_epi8(found, _mm_setzero_si128()),
                               _mm_set1_epi16(static_cast<short>(base)));
  _mm_storeu_si128(reinterpret_cast<__m128i*>(out), numbers);
  return static_cast<std::size_t>(std::popcount(bits));
}

} // namespace

// Whether a word may begin at code `i`, by its first codes: 1 or 0.
unsigned automaton_scan::may_begin(std::size_t i) const noexcept {
  return machine.has_pair(block.codes_at<std::uint32_t>(i))
         | machine.fours_.has(groups::low_bytes(block.codes_at<std::uint64_t>(i)))
         | machine.is_rare_single(block.code[i]) | machine.is_latin_single(block.code[i]);
}

// Those of the first `starts` codes where words may begin, to `begins`: `may_begin` of eight at a
// time, if no Latin letter is a word.
[[gnu::target("avx2")]] std::size_t automaton_scan::glance(std::size_t starts) noexcept {
  const auto& pairs = machine.pairs_;
  const auto& latin_pairs = machine.latin_pairs_;
  const auto& fours = machine.fours_;
  const auto four_bytes = _mm256_setr_epi8(0, 1, 2, 3, 1, 2, 3, 4, 2, 3, 4, 5, 3, 4, 5, 6, 4, 5, 6,
                                           7, 5, 6, 7, 8, 6, 7, 8, 9, 7, 8, 9, 10);
  std::size_t n = 0;
  for (std::size_t i = 0; i < starts; i += lanes) {
    auto here = eight_at(block.code + i), next = eight_at(block.code + i + 1);
    auto latin = within(here, codes::first_digit, codes::first_rare);
    auto pair = _mm256_set_m128i(_mm_unpackhi_epi16(here, next), _mm_unpacklo_epi16(here, next));
    auto are_latin_pairs = bits_of(_mm_and_si128(latin, within(next, 0, codes::first_rare)));
    unsigned may = 0;
    if (are_latin_pairs != 0xff)
      may = bits_at(pairs.bits.data(), places_in(pairs.shift, pair)) & ~are_latin_pairs;
    if (are_latin_pairs != 0 && latin_pairs.any) {
      auto row = _mm256_and_si256(pair, _mm256_set1_epi32(automaton::latin_gate::row - 1));
      auto place = _mm256_add_epi32(_mm256_slli_epi32(row, automaton::latin_gate::row_log2),
                                    _mm256_srli_epi32(pair, 16));
      auto valid = _mm256_set1_epi32(automaton::latin_gate::places - 1); // those of other pairs too
      may |= bits_at(latin_pairs.bits.data(), _mm256_and_si256(place, valid)) & are_latin_pairs;
    }
    if (machine.has_fours_ && _mm_movemask_epi8(latin) != 0) {
      auto low = _mm_set1_epi16(0xff);
      auto bytes = _mm_packus_epi16(_mm_and_si128(here, low),
                                    _mm_and_si128(eight_at(block.code + i + lanes), low));
      auto four = _mm256_shuffle_epi8(_mm256_broadcastsi128_si256(bytes), four_bytes);
      may |= bits_at(fours.bits.data(), places_in(fours.shift, four));
    }
    if (machine.singles_ != 0) {
      auto rare = _mm_sub_epi16(here, _mm_set1_epi16(codes::first_rare));
      auto last = _mm_set1_epi16(static_cast<short>(machine.singles_ - 1));
      may |= bits_of(_mm_cmpeq_epi16(_mm_min_epu16(rare, last), rare));
    }
    if (starts - i < lanes)
      may &= (1u << (starts - i)) - 1;
    n += put_numbers(may, i, begins + n);
  }
  return n;
}

// Of those that may, whether it goes on as a word does. Codes from `known` on are not known yet.
[[gnu::always_inline]] inline unsigned automaton_scan::goes_on(std::size_t i,
                                                               std::size_t known) const noexcept {
  auto first = block.code[i];
  auto four = block.codes_at<std::uint64_t>(i);
  auto pair = static_cast<std::uint32_t>(four);
  auto closed = machine.after_pairs_.closed_after(groups::hashed_key(pair));
  auto third = static_cast<std::uint32_t>(four >> 32 & 0xffff);
  auto pair_goes_on = groups::has_way(closed, third) | groups::has_way(closed, 0);
  if (!codes::is_latin(first))
    return machine.is_rare_single(first) | static_cast<unsigned>(i + 3 > known) | pair_goes_on;
  return static_cast<unsigned>(i + 6 > known) | machine.is_latin_single(first)
         | (machine.has_pair(pair) & pair_goes_on)
         | machine.four_goes_on(four, block.codes_at<std::uint32_t>(i + 4));
}

// Where words may begin among the first `starts` codes. If more text may follow, the last codes
// may begin one that is not seen yet.
std::size_t automaton_scan::sift(std::size_t starts, bool last) noexcept {
  std::fill_n(block.code + block.size, codes_beyond, codes::other);
  auto open = last && !final;
  auto sure = open ? starts - std::min<std::size_t>(starts, 3) : starts;
  std::size_t n = 0, from = 0;
  if (machine.latin_singles_ == 0 && has_avx2()) {
    n = glance(sure);
    from = sure;
  }
  for (auto i = from, end = starts - holds_last(open); i < end; ++i) {
    begins[n] = static_cast<std::uint16_t>(i);
    auto unsure = static_cast<unsigned>(i >= sure && codes::is_latin(block.code[i]));
    n += may_begin(i) | unsure;
  }
  auto known = open ? block.size : block.size + 6; // beyond the end of all is nothing
  std::size_t left = 0;
  for (std::size_t c = 0; c < n; ++c) {
    auto i = begins[c];
    begins[left] = i;
    left += goes_on(i, known);
  }
  return left;
}

} // namespace troupe::moderation
