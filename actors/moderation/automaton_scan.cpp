#include "actors/moderation/automaton_scan.hpp"
#include "actors/moderation/code_reader.hpp"

#include <emmintrin.h>

#include <algorithm>
#include <bit>

namespace troupe::moderation {

namespace {

constexpr std::size_t vector_bytes = 16;

// The first letters, digits and spaces of 16 bytes, as codes of a byte each, which all these have.
struct latin_codes {
  __m128i codes;
  std::uint32_t latin, spaces; // a bit each
};

[[gnu::always_inline]] inline latin_codes latin_at(const char* from, bool folds_case,
                                                   codes::code space) noexcept {
  auto set = [](int value) { return _mm_set1_epi8(static_cast<char>(value)); };
  auto bytes = _mm_loadu_si128(reinterpret_cast<const __m128i*>(from));
  auto between = [&](__m128i some, int low, int high) { // as signed numbers: none beyond ASCII
    return _mm_and_si128(_mm_cmpgt_epi8(some, set(low - 1)), _mm_cmplt_epi8(some, set(high + 1)));
  };
  auto lower = _mm_or_si128(bytes, set(0x20));
  auto letter = between(lower, 'a', 'z'), digit = between(bytes, '0', '9');
  auto is_space = _mm_cmpeq_epi8(bytes, set(' '));
  auto letters = _mm_sub_epi8(lower, set('a' - codes::of_ascii(U'a')));
  if (!folds_case) {
    auto upper = _mm_cmpeq_epi8(_mm_and_si128(bytes, set(0x20)), _mm_setzero_si128());
    auto beyond = set(codes::of_ascii(U'A') - codes::of_ascii(U'a'));
    letters = _mm_add_epi8(letters, _mm_and_si128(upper, beyond));
  }
  auto digits = _mm_sub_epi8(bytes, set('0' - codes::of_ascii(U'0')));
  auto all =
      _mm_or_si128(_mm_or_si128(_mm_and_si128(letter, letters), _mm_and_si128(digit, digits)),
                   _mm_and_si128(is_space, set(space)));
  return {all, static_cast<std::uint32_t>(_mm_movemask_epi8(_mm_or_si128(letter, digit))),
          static_cast<std::uint32_t>(_mm_movemask_epi8(is_space))};
}

} // namespace

// Any other character than those that are read in bulk, and those at the text's end.
codes::code automaton_scan::rare_code(std::size_t& at) const noexcept {
  auto [code_point, bytes] = character_at(text, at);
  at += bytes;
  return code_point == no_character ? codes::other : machine.code_of(code_point);
}

// Latin text of the usual kind, with no more than one space between letters and digits: up to 16
// bytes become codes at once. The bytes that did.
template <bool Symbols, bool Repeats>
[[gnu::always_inline]] inline std::size_t automaton_scan::read_latin(std::size_t at, std::size_t& n,
                                                                     scan_context& after) noexcept {
  const auto space = Symbols ? codes::space : codes::other;
  auto [some, latin, spaces] =
      latin_at(text.data() + at, machine.folds_.has(fold::letter_case), space);
  auto good = latin;
  if constexpr (Symbols)
    good |=
        spaces & (latin << 1 | static_cast<unsigned>(codes::is_latin(after.previous))) & latin >> 1;
  else if (machine.code_of_[' '] == codes::other)
    good |= spaces;
  const auto size = static_cast<std::size_t>(std::countr_one(good));
  if (size == 0)
    return 0;
  auto zero = _mm_setzero_si128();
  auto low = _mm_unpacklo_epi8(some, zero), high = _mm_unpackhi_epi8(some, zero);
  auto put = [](void* to, __m128i value) { _mm_storeu_si128(static_cast<__m128i*>(to), value); };
  std::uint32_t repeated = 0;
  if constexpr (Repeats) {
    auto first = _mm_cvtsi32_si128(after.previous < codes::first_rare ? after.previous : 0);
    auto before = _mm_or_si128(_mm_slli_si128(some, 1), first);
    auto same = _mm_and_si128(_mm_cmpeq_epi8(some, before),
                              _mm_cmpgt_epi8(some, _mm_set1_epi8(codes::first_letter - 1)));
    repeated = static_cast<std::uint32_t>(_mm_movemask_epi8(same)) & ((1u << size) - 1);
  }
  auto base = static_cast<std::uint32_t>(at);
  if (repeated == 0) {
    put(block.code + n, low);
    put(block.code + n + 8, high);
    auto four = _mm_add_epi32(_mm_set1_epi32(static_cast<int>(base)), _mm_setr_epi32(0, 1, 2, 3));
    for (int i = 0; i < 16; i += 4)
      put(block.at + n + i, _mm_add_epi32(four, _mm_set1_epi32(i)));
    n += size;
    after.previous = block.code[n - 1];
    return size;
  }
  codes::code code[vector_bytes];
  put(code, low);
  put(code + 8, high);
  for (std::size_t i = 0; i < size; ++i) {
    block.code[n] = code[i];
    block.at[n] = base + static_cast<std::uint32_t>(i);
    n += ~repeated >> i & 1;
  }
  after.previous = code[size - 1];
  auto last = static_cast<std::uint16_t>(repeated << (vector_bytes - size));
  after.dropped = static_cast<std::uint8_t>(std::countl_one(last));
  return size;
}

// Turns characters into codes until the block is full or the text ends.
template <bool Symbols, bool Repeats>
std::size_t automaton_scan::read(std::size_t at) {
  const auto* code_of = machine.code_of_.data();
  const auto bytes = text;
  auto after = context; // copies, since what is written to the block might change the others
  counted<Symbols, Repeats> count{after};
  auto n = block.size;
  auto code_at = [&](std::size_t i) {
    if (bytes.size() - i >= 4) [[likely]] {
      auto four = four_bytes(bytes.data() + i);
      if (is_three_bytes(four)) {
        at = i + 3;
        return code_of[of_three_bytes(four)];
      }
      if ((four & 0x80) == 0) {
        at = i + 1;
        return code_of[four & 0x7f];
      }
    }
    return rare_code(at);
  };
  while (at < bytes.size() && n < block_codes + look_ahead) {
    if (bytes.size() - at >= vector_bytes && n + vector_bytes <= block_codes + look_ahead
        && is_ascii(four_bytes(bytes.data() + at)) && after.gap == 0 && after.dropped == 0)
      if (auto some = read_latin<Symbols, Repeats>(at, n, after)) {
        at += some;
        continue;
      }
    auto begin = static_cast<std::uint32_t>(at);
    auto code = code_at(at);
    codes::code between;
    if (!count.takes(code, between))
      continue;
    if (between != codes::other) {
      block.at[n] = begin;
      block.code[n++] = between;
    }
    block.at[n] = begin;
    block.code[n++] = code;
  }
  block.size = n;
  context = after;
  return at;
}

std::size_t automaton_scan::run(std::size_t hits_max) {
  const auto enough = hits.size() + hits_max;
  for (std::size_t at = 0;;) {
    at = for_folds(machine.folds_,
                   [&](auto symbols, auto repeats) { return read<symbols(), repeats()>(at); });
    auto last = at == text.size();
    auto starts = last ? block.size : block.size - look_ahead;
    auto count = sift(starts, last);
    for (std::size_t i = 0; i < count; ++i)
      if (hits.size() >= enough || !walk(begins[i]))
        return hold_at(block.at[begins[i]]);
    if (holds_last(last && !final))
      return hold_at(block.at[block.size - 1]);
    if (last)
      return pass_all();
    block.size -= starts;
    std::memmove(block.code, block.code + starts, block.size * sizeof block.code[0]);
    std::memmove(block.at, block.at + starts, block.size * sizeof block.at[0]);
  }
}

std::size_t automaton::scan(std::string_view text, scan_context& context, bool final, audience to,
                            std::size_t hits_max, std::vector<found>& hits) const {
  if (empty())
    return text.size();
  automaton_scan work{*this, text, context, final, to, hits};
  return work.run(hits_max);
}

codes::code automaton::code_of_far(char32_t code_point) const noexcept {
  if (auto at = far_.find(code_point); at != far_.end())
    return at->second;
  if (!folds_.has(fold::symbols))
    return codes::other;
  switch (kind_of(folded(code_point, folds_))) {
    case character_kind::space:
      return codes::skipped_space;
    case character_kind::symbol:
      return codes::skipped;
    default:
      return codes::other;
  }
}

automaton::trace automaton::traced(std::string_view hit) const {
  trace result;
  code_reader reader{*this, hit};
  code_reader::step step{};
  auto previous = codes::other;
  while (reader.next(step)) {
    if (step.code == codes::space)
      continue;
    if (folds_.has(fold::repeats) && step.code == previous && step.code >= codes::first_letter)
      result.repeats = true; // unless the word has them itself
    previous = step.code;
    result.counted += step.code_point;
  }
  result.symbols = reader.skipped();
  return result;
}

} // namespace troupe::moderation
