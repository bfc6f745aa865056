// The pieces of a stream: too short for what automaton_scan.cpp does in bulk to be worth its start,
// and for any branch in it to be foreseen. What is held back of the pieces before is not read
// again.
#include "actors/moderation/automaton_scan.hpp"

#include <emmintrin.h>

#include <algorithm>
#include <bit>

namespace troupe::moderation {

namespace {

// A text of up to so many bytes, without those that were read before, is a piece.
constexpr std::size_t piece_bytes_max = 60;
static_assert(piece_bytes_max < 62, "a piece's bytes have a bit each, and some are beyond");

constexpr std::size_t vector_bytes = 16;
constexpr std::size_t whole = vector_bytes - 2; // beginnings whose characters are seen

// Which bytes of a piece are what, a bit each: ASCII, the second or third one of a character, the
// first one of three.
struct byte_kinds {
  std::uint64_t ascii, continues, three;
};

// What may begin at each of 16 bytes, from `at` on; the last two characters are seen in the next
// 16. The code points of those that do are at their places.
[[gnu::always_inline]] inline byte_kinds decoded_16(const char* from, std::size_t at,
                                                    std::uint16_t* code_points) noexcept {
  auto zero = _mm_setzero_si128();
  auto bytes = _mm_loadu_si128(reinterpret_cast<const __m128i*>(from + at));
  auto where = [&](__m128i set) {
    return std::uint64_t{static_cast<std::uint32_t>(_mm_movemask_epi8(set))} << at;
  };
  auto below = [&](int bound) { // as signed numbers: those of ASCII are 0 and more
    return _mm_cmplt_epi8(bytes, _mm_set1_epi8(static_cast<char>(bound)));
  };
  auto is_ascii = _mm_cmpgt_epi8(bytes, _mm_set1_epi8(-1));
  auto low = _mm_and_si128(bytes, _mm_set1_epi8(0x3f));
  auto second = _mm_srli_si128(low, 1), third = _mm_srli_si128(low, 2);
  auto put = [&](std::size_t i, auto&& half) {
    auto one = half(bytes, zero), ascii = half(is_ascii, is_ascii);
    auto three =
        _mm_or_si128(_mm_slli_epi16(one, 12),
                     _mm_or_si128(_mm_slli_epi16(half(second, zero), 6), half(third, zero)));
    auto both = _mm_or_si128(_mm_and_si128(ascii, one), _mm_andnot_si128(ascii, three));
    _mm_storeu_si128(reinterpret_cast<__m128i*>(code_points + at + i), both);
  };
  put(0, [](__m128i a, __m128i b) { return _mm_unpacklo_epi8(a, b); });
  put(8, [](__m128i a, __m128i b) { return _mm_unpackhi_epi8(a, b); });
  // From e1 on: after e0 not everything may follow.
  return {where(is_ascii), where(below(0xc0)), where(_mm_andnot_si128(below(0xe1), below(0xf0)))};
}

[[gnu::noinline]] byte_kinds decoded_long(const char* bytes, std::size_t size,
                                          std::uint16_t* code_points) noexcept {
  static_assert(2 + vector_bytes <= automaton::readable_beyond);
  byte_kinds all{0, 0, 0};
  for (std::size_t at = 0; at == 0 || at + 2 < size; at += whole) {
    auto some = decoded_16(bytes, at, code_points);
    all = {all.ascii | some.ascii, all.continues | some.continues, all.three | some.three};
  }
  return all;
}

// A piece, all its characters at once, if they are of ASCII or of three bytes each. The first bytes
// may end a character that began before the piece, and the last ones may begin one.
struct decoded_piece {
  bool valid;
  std::uint8_t unfinished; // so many bytes at the end begin a character
  std::uint64_t firsts;    // a bit for each character, where it begins; 2: at the first byte
};
constexpr std::size_t code_points_max = 2 + piece_bytes_max + vector_bytes;

// The piece's first byte is at `unfinished` (0 to 2) of `bytes`. It has at least one. Where a
// character begins its code point is in `code_points`.
[[gnu::always_inline]] inline decoded_piece decoded(const char* bytes, std::size_t unfinished,
                                                    std::size_t size,
                                                    std::uint16_t* code_points) noexcept {
  auto byte = [&](int i) -> unsigned { return static_cast<unsigned char>(bytes[i]); };
  auto begun = byte(0) << 12 | (byte(1) & 0x3f) << 6 | (byte(2) & 0x3f);
  code_points[0] = code_points[1] = static_cast<std::uint16_t>(begun);
  bytes += unfinished;
  auto [ascii, continues, three] = size <= vector_bytes
                                       ? decoded_16(bytes, 0, code_points + 2)
                                       : decoded_long(bytes, size, code_points + 2);
  const auto all = (std::uint64_t{1} << size) - 1;
  ascii &= all;
  continues &= all;
  three &= all;
  auto end_it = std::uint64_t{0b01'11'00u >> (2 * unfinished) & 3}; // bits of the first bytes
  auto begun_at = std::uint64_t{0b01'10'00u >> (2 * unfinished) & 3};
  auto last = static_cast<unsigned>(three << 2 >> size); // of the last two bytes
  return {(ascii | continues | three) == all
              && continues == (((three << 1 | three << 2) & all) | end_it),
          static_cast<std::uint8_t>((last & 1) << 1 | last >> 1),
          (ascii | (three & all >> 2)) << 2 | begun_at};
}

} // namespace

// A scan of a piece: automaton::scan_piece. Its codes are the last two of the text before, of which
// some may be held back, then the new ones. Nothing that takes long decides where anything is: the
// next piece is read while this one is looked at.
class piece_scan {
public:
  piece_scan(const automaton& machine, std::string_view text, piece_context& context) :
      machine_(machine), text_(text), context_(context) {}

  template <bool Symbols, bool Repeats>
  static std::size_t run(const automaton& machine, std::string_view text, piece_context& context,
                         audience to, std::vector<found>& hits) {
    piece_scan scan{machine, text, context};
    return scan.read<Symbols, Repeats>() ? scan.finish<Symbols, Repeats>(to, hits)
                                         : automaton::not_scanned;
  }

private:
  // A space that counts stands between two others.
  static constexpr std::size_t codes_max = 2 + piece_bytes_max + 2;
  static constexpr std::size_t hits_max = 1'000;

  template <bool Symbols, bool Repeats>
  [[gnu::always_inline]] inline std::size_t finish(audience to, std::vector<found>& hits) {
    if (special_ && machine_.has_singles()) [[unlikely]]
      return hold<Symbols, Repeats>(walk_all(to, hits));
    auto held = size_ - holds_last();
    auto may_be_pair =
        machine_.pairs_.has(context_.pair) != 0 || (special_ && codes::is_latin(code_[size_ - 2]));
    if (may_be_pair && size_ >= first_ + 2) {
      auto pair = machine_.pair_beginnings_.of(context_.pair);
      held = pair.goes_on ? size_ - 2 : held; // no branch
      begins_ |= std::uint64_t{pair.unsure} << (size_ - 2);
    }
    if (special_)
      held = see_fours(held);
    if (begins_ != 0) [[unlikely]]
      held = walk_begins(held, to, hits);
    return hold<Symbols, Repeats>(held);
  }

  template <bool Symbols, bool Repeats>
  bool read();
  std::size_t see_fours(std::size_t held) noexcept;
  bool last_three_go_on() const noexcept;
  template <bool Symbols, bool Repeats>
  std::size_t hold(std::size_t held);
  template <class Sift>
  std::size_t walk(std::size_t held, audience to, std::vector<found>& hits, Sift&& sift);
  [[gnu::noinline]] std::size_t walk_begins(std::size_t held, audience to,
                                            std::vector<found>& hits);
  [[gnu::noinline]] std::size_t walk_all(audience to, std::vector<found>& hits);

  unsigned holds_last() const noexcept {
    return machine_.goes_on_[code_[size_ - 1]] & static_cast<unsigned>(size_ > first_);
  }

  const automaton& machine_;
  std::string_view text_;
  piece_context& context_;
  std::size_t first_, size_; // of the codes that count, and of all
  std::uint64_t begins_;     // where a word may begin, a bit each
  std::uint32_t base_;
  bool special_; // some code is Latin, or may be a word by itself
  codes::code code_[codes_max];
  std::uint32_t at_[codes_max + 1]; // where they begin, from `base_` on
};

// Turns the new characters into codes, if that can be done at once.
template <bool Symbols, bool Repeats>
[[gnu::always_inline]] inline bool piece_scan::read() {
  auto& piece = context_;
  const auto size = text_.size() - piece.read_to - piece.unfinished;
  if (size == 0)
    return false;
  std::uint16_t code_points[code_points_max];
  const auto [valid, unfinished, all_firsts] =
      decoded(text_.data() + piece.read_to, piece.unfinished, size, code_points);
  if (!valid)
    return false;
  const auto* code_of = machine_.code_of_.data();
  const auto* all_closed = machine_.after_pairs_.closed.data();
  const auto mask = machine_.after_pairs_.mask;
  auto after = piece.after;
  counted<Symbols, Repeats> count{after};
  auto closed = piece.closed;
  auto pair = piece.pair;
  std::uint64_t begins = 0;
  const auto specials =
      static_cast<codes::code>(machine_.singles_ + codes::first_rare - codes::first_digit);
  std::size_t n = 2;
  code_[0] = static_cast<codes::code>(pair);
  code_[1] = static_cast<codes::code>(pair >> 16);
  auto is_special = [&](codes::code code) { // 1 or 0
    return static_cast<unsigned>(static_cast<codes::code>(code - codes::first_digit) < specials);
  };
  unsigned special = is_special(code_[0]) | is_special(code_[1]);
  // Bit 2 is the piece's first byte.
  base_ = piece.read_to + piece.unfinished - 2;
  at_[0] = piece.last_at[0] - base_;
  at_[1] = piece.last_at[1] - base_;
  auto put = [&](codes::code code, std::uint32_t at) {
    if ((closed & groups::way(code)) == 0 || (closed & groups::no_way) == 0) [[unlikely]]
      begins |= std::uint64_t{1} << n;
    special += is_special(code);
    pair = pair >> 16 | std::uint32_t{code} << 16;
    closed = automaton::way_table::closed_after(all_closed, mask, groups::hashed_key(pair));
    at_[n] = at;
    code_[n++] = code;
  };
  for (auto firsts = all_firsts; firsts != 0; firsts &= firsts - 1) {
    auto i = static_cast<unsigned>(std::countr_zero(firsts));
    auto code = code_of[code_points[i]];
    codes::code between;
    if (!count.takes(code, between))
      continue;
    if (between != codes::other)
      put(between, i);
    put(code, i);
  }
  first_ = piece.first;
  size_ = n;
  text_.remove_suffix(unfinished);
  const auto end = static_cast<std::uint32_t>(text_.size());
  at_[n] = end - base_;
  if constexpr (Symbols || Repeats)
    piece.after = after;
  piece.read_to = end;
  piece.unfinished = unfinished;
  piece.last_at[0] = base_ + at_[n - 2];
  piece.last_at[1] = base_ + at_[n - 1];
  piece.closed = closed;
  piece.pair = pair;
  begins_ = begins >> 2 & ~std::uint64_t{0} << first_; // what began before those is not meant
  special_ = special != 0;
  return true;
}

// Latin words of four codes and more, and what may become one: that is held back too.
std::size_t piece_scan::see_fours(std::size_t held) noexcept {
  std::uint64_t may = 0;
  std::uint32_t key = 0; // groups::low_bytes
  for (auto i = first_; i < size_; ++i) {
    key = key >> 8 | static_cast<std::uint32_t>(code_[i]) << 24;
    if (i >= first_ + 3 && codes::is_latin(code_[i - 3]))
      may |= std::uint64_t{machine_.fours_.has(key)} << (i - 3);
  }
  for (; may != 0; may &= may - 1) {
    auto i = static_cast<std::size_t>(std::countr_zero(may));
    auto four = code_[i] | std::uint64_t{code_[i + 1]} << 16 | std::uint64_t{code_[i + 2]} << 32
                | std::uint64_t{code_[i + 3]} << 48;
    auto goes_on =
        i + 6 > size_
            ? 1u
            : machine_.four_goes_on(four, code_[i + 4] | std::uint32_t{code_[i + 5]} << 16);
    begins_ |= std::uint64_t{goes_on} << i;
  }
  auto may_be_three = size_ >= first_ + 3 && codes::is_latin(code_[size_ - 3]);
  return may_be_three && last_three_go_on() ? size_ - 3 : held;
}

bool piece_scan::last_three_go_on() const noexcept {
  auto a = code_[size_ - 3], b = code_[size_ - 2], c = code_[size_ - 1];
  if (codes::is_latin(b) && codes::is_latin(c))
    return machine_.three_beginnings_.go_on(a, b, c);
  code_trie::cursor at;
  auto goes_on = [&] { return (at.flags & code_trie::has_more) != 0; };
  return machine_.trie_.start(at, a) && goes_on() && machine_.trie_.step(at, b) && goes_on()
         && machine_.trie_.step(at, c) && goes_on();
}

// From the code `held` on the text is held back.
template <bool Symbols, bool Repeats>
[[gnu::always_inline]] inline std::size_t piece_scan::hold(std::size_t held) {
  const auto count = size_ - held;
  const auto passed = base_ + at_[held];
  auto& piece = context_;
  auto border = piece.before.before;
  if (machine_.has_borders_) [[unlikely]]
    border = machine_.code_before(text_, passed, border);
  if constexpr (Symbols || Repeats)
    piece.before = count > 0 ? scan_context{} : piece.after;
  piece.before.before = border;
  if (count > 2) // to be read again
    piece = {.before = piece.before, .after = piece.before, .read_to = passed};
  else
    piece.first = static_cast<std::uint8_t>(2 - count);
  return passed;
}

// From the beginnings that `sift` tells, those before the code `held`; tells from which code on the
// text is held back.
template <class Sift>
std::size_t piece_scan::walk(std::size_t held, audience to, std::vector<found>& hits, Sift&& sift) {
  automaton_scan work{machine_, text_, context_.before, false, to, hits};
  work.block.size = size_ - first_;
  std::copy(code_ + first_, code_ + size_, work.block.code);
  for (auto i = first_; i < size_; ++i)
    work.block.at[i - first_] = base_ + at_[i];
  const auto enough = hits.size() + hits_max;
  const auto count = sift(work);
  for (std::size_t i = 0; i < count; ++i)
    if (hits.size() >= enough || !work.walk(work.begins[i]))
      return first_ + work.begins[i];
  return held;
}

std::size_t piece_scan::walk_begins(std::size_t held, audience to, std::vector<found>& hits) {
  return walk(held, to, hits, [&](automaton_scan& work) {
    std::size_t count = 0;
    auto may = begins_ & ((std::uint64_t{1} << held) - 1); // the others are found again
    for (; may != 0; may &= may - 1)
      work.begins[count++] = static_cast<std::uint16_t>(std::countr_zero(may) - first_);
    return count;
  });
}

std::size_t piece_scan::walk_all(audience to, std::vector<found>& hits) {
  return walk(size_ - holds_last(), to, hits,
              [&](automaton_scan& work) { return work.sift(work.block.size, true); });
}

std::size_t automaton::scan_piece(std::string_view text, piece_context& context, audience to,
                                  std::vector<found>& hits) const {
  if (text.size() - context.read_to > piece_bytes_max || empty())
    return not_scanned;
  return for_folds(folds_, [&](auto symbols, auto repeats) {
    return piece_scan::run<symbols(), repeats()>(*this, text, context, to, hits);
  });
}

} // namespace troupe::moderation
