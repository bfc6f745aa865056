#include "actors/moderation/automaton.hpp"
#include "actors/moderation/code_groups.hpp"
#include "actors/moderation/code_reader.hpp"

#include <algorithm>
#include <bit>
#include <cstring>

namespace troupe::moderation {

namespace {

constexpr std::size_t block_codes = 2'048;
// What a word or pattern that begins at one code may need of those behind it.
constexpr std::size_t look_ahead = text_characters_max + 2;
constexpr std::size_t few_codes = 8;

/// A part of the text as codes: each with the offset of its character. Of a run of repeats the
/// first one is here.
struct code_block {
  std::size_t size = 0;
  codes::code code[block_codes + look_ahead + 16];
  std::uint32_t at[block_codes + look_ahead + 16];
};

template <class T>
T codes_at(const code_block& block, std::size_t i) {
  T codes;
  std::memcpy(&codes, block.code + i, sizeof codes);
  return codes;
}

enum class outcome : std::uint8_t { no, yes, needs_more };

struct ending {
  outcome what;
  std::size_t end = 0;
};

} // namespace

/// One scan at work.
struct automaton_scan {
  const automaton& machine;
  std::string_view text;
  scan_context& context;
  bool final;
  audience to;
  std::vector<found>& hits;
  code_block block;
  std::uint16_t begins[block_codes + look_ahead]; // indices of codes

  automaton_scan(const automaton& machine_, std::string_view text_, scan_context& context_,
                 bool final_, audience to_, std::vector<found>& hits_) :
      machine(machine_), text(text_), context(context_), final(final_), to(to_), hits(hits_) {}

  // The code of the character at `at`, which then is behind it.
  codes::code read_code(std::size_t& at) const noexcept {
    const auto* code_of = machine.code_of_.data();
    if (text.size() - at >= 4) [[likely]] {
      std::uint32_t four;
      std::memcpy(&four, text.data() + at, sizeof four);
      if ((four & 0x00c0'c0f0) == 0x0080'80e0) { // three bytes, in the order of x86
        auto code_point = (four & 0x0f) << 12 | (four >> 2 & 0x0fc0) | (four >> 16 & 0x3f);
        at += 3;
        return code_point >= 0x800 ? code_of[code_point] : codes::other;
      }
      if ((four & 0x80) == 0) {
        ++at;
        return code_of[four & 0x7f];
      }
    }
    auto [code_point, bytes] = character_at(text, at);
    at += bytes;
    return code_point == no_character ? codes::other : machine.code_of(code_point);
  }

  // Turns characters into codes until the block is full or the text ends.
  template <bool Symbols, bool Repeats>
  std::size_t read(std::size_t at) {
    auto n = block.size;
    auto [previous, dropped, gap, gap_has_space, before] = context;
    while (at < text.size() && n < block_codes + look_ahead) {
      auto begin = at;
      auto code = read_code(at);
      if constexpr (Symbols) {
        if (code >= codes::skipped_space) {
          gap_has_space |= code == codes::skipped_space;
          gap = static_cast<std::uint8_t>(std::min<std::size_t>(gap + 1u, symbols_max + 1));
          continue;
        }
        if (gap > 0) {
          auto between = codes::other;
          if (gap > symbols_max)
            between = codes::gap;
          else if (gap_has_space && codes::is_latin(previous) && codes::is_latin(code))
            between = codes::space;
          if (between != codes::other) {
            block.at[n] = static_cast<std::uint32_t>(begin);
            block.code[n++] = previous = between;
          }
          gap = 0;
          gap_has_space = false;
        }
      }
      if constexpr (Repeats) {
        if (code == previous && code >= codes::first_letter && dropped < repeats_max) {
          ++dropped;
          continue;
        }
        dropped = 0;
      }
      block.at[n] = static_cast<std::uint32_t>(begin);
      block.code[n++] = previous = code;
    }
    block.size = n;
    context = {previous, dropped, gap, gap_has_space, before};
    return at;
  }

  std::size_t read_any(std::size_t at) {
    auto symbols = machine.folds_.has(fold::symbols), repeats = machine.folds_.has(fold::repeats);
    if (symbols)
      return repeats ? read<true, true>(at) : read<true, false>(at);
    return repeats ? read<false, true>(at) : read<false, false>(at);
  }

  unsigned is_latin_single(codes::code c) const noexcept {
    return codes::is_latin(c) ? machine.latin_singles_ >> (c - codes::first_digit) & 1 : 0;
  }

  // Whether a word may begin at code `i`, by its first codes: 1 or 0, without a branch.
  template <bool Fours, bool LatinSingles>
  unsigned may_begin(std::size_t i) const noexcept {
    unsigned may = machine.pairs_.has(groups::hashed(codes_at<std::uint32_t>(block, i)))
                   | static_cast<unsigned>(block.code[i] >= machine.first_single_);
    if constexpr (Fours)
      may |= machine.fours_.has(groups::hashed(codes_at<std::uint64_t>(block, i)));
    if constexpr (LatinSingles)
      may |= is_latin_single(block.code[i]);
    return may;
  }

  // Of those that may, whether it goes on as a word does. Codes from `known` on are not known yet.
  unsigned goes_on(std::size_t i, std::size_t known) const noexcept {
    auto first = block.code[i];
    auto four = codes_at<std::uint64_t>(block, i);
    auto pair = groups::hashed(four & 0xffff'ffff);
    auto ways_of = [&](std::uint64_t group) { return machine.ways_[group >> machine.ways_shift_]; };
    if (!codes::is_latin(first)) {
      auto ways = ways_of(pair);
      auto third = static_cast<std::uint32_t>(four >> 32 & 0xffff);
      return static_cast<unsigned>(first >= machine.first_single_)
             | static_cast<unsigned>(i + 3 > known)
             | static_cast<unsigned>((ways >> groups::way(third) | ways >> groups::way(0)) & 1);
    }
    auto ways = ways_of(groups::hashed(four));
    auto more = codes_at<std::uint32_t>(block, i + 4);
    return static_cast<unsigned>(i + 6 > known) | is_latin_single(first) | machine.pairs_.has(pair)
           | static_cast<unsigned>((ways >> groups::way(more) | ways >> groups::way(more & 0xffff)
                                    | ways >> groups::way(0))
                                   & 1);
  }

  // Where words may begin among the first `starts` codes. If more text may follow, the last codes
  // may begin one that is not seen yet.
  template <bool Fours, bool LatinSingles>
  std::size_t sift(std::size_t starts, bool open) noexcept {
    std::size_t n = 0;
    auto sure = open ? starts - std::min<std::size_t>(starts, 3) : starts;
    for (std::size_t i = 0; i < sure; ++i) {
      begins[n] = static_cast<std::uint16_t>(i);
      n += may_begin<Fours, LatinSingles>(i);
    }
    for (auto i = sure, end = starts - holds_last(open); i < end; ++i) {
      begins[n] = static_cast<std::uint16_t>(i);
      n += may_begin<Fours, LatinSingles>(i) | static_cast<unsigned>(codes::is_latin(block.code[i]))
           | static_cast<unsigned>(i + 1 == starts);
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

  // Whether the last code is held back for certain, if nothing before it is.
  unsigned holds_last(bool open) const noexcept {
    return open && block.size > 0
           && (machine.trie_.first_flags(block.code[block.size - 1]) & code_trie::has_more) != 0;
  }

  // The same for the few codes of a stream's piece: always as many steps.
  template <bool Fours, bool LatinSingles>
  std::size_t sift_few(bool open) noexcept {
    std::uint64_t may = 0;
    for (std::size_t i = 0; i < few_codes; ++i)
      may |= std::uint64_t{may_begin<Fours, LatinSingles>(i)} << i;
    auto size = block.size;
    if (open)
      for (auto i = size - std::min<std::size_t>(size, 3); i < size; ++i)
        may |= std::uint64_t{codes::is_latin(block.code[i]) || i + 1 == size} << i;
    may &= (std::uint64_t{1} << (size - holds_last(open))) - 1;
    std::size_t n = 0;
    for (; may != 0; may &= may - 1) {
      auto i = static_cast<std::size_t>(std::countr_zero(may));
      begins[n] = static_cast<std::uint16_t>(i);
      n += open && i + 2 == size ? 1 : goes_on(i, open ? size : size + 6);
    }
    return n;
  }

  std::size_t sift_any(std::size_t starts, bool last) noexcept {
    std::fill_n(block.code + block.size, few_codes + 6, codes::other);
    auto open = last && !final;
    if (last && block.size <= few_codes)
      return machine.latin_singles_ != 0 ? sift_few<true, true>(open)
             : machine.has_fours_        ? sift_few<true, false>(open)
                                         : sift_few<false, false>(open);
    return machine.latin_singles_ != 0 ? sift<true, true>(starts, open)
           : machine.has_fours_        ? sift<true, false>(starts, open)
                                       : sift<false, false>(starts, open);
  }

  std::size_t run(std::size_t hits_max);
  bool walk(std::size_t i);
  ending end_of(const automaton::word& word, std::size_t i, std::size_t k) const;
  ending end_of_runs(const std::u16string& runs, std::size_t begin) const;
  ending end_of_tail(const automaton::tail& tail, std::size_t k) const;
  outcome borders(std::uint8_t flags, std::size_t begin, std::size_t end) const;
  codes::code before(std::size_t at) const;
  std::size_t end_of_code(std::size_t k) const {
    return block.at[k] + character_at(text, block.at[k]).bytes;
  }
  void hold_at(std::size_t at) {
    auto what = machine.has_borders_ ? before(at) : codes::other;
    context = {};
    context.before = what;
  }
};

// The code of the character that ends at `at`.
codes::code automaton_scan::before(std::size_t at) const {
  if (at == 0)
    return context.before;
  auto begin = at - 1;
  while (begin > 0 && at - begin < 4 && (static_cast<unsigned char>(text[begin]) & 0xc0) == 0x80)
    --begin;
  auto [code_point, bytes] = character_at(text, begin);
  if (code_point == no_character || begin + bytes != at)
    return codes::other;
  return machine.code_of(code_point);
}

outcome automaton_scan::borders(std::uint8_t flags, std::size_t begin, std::size_t end) const {
  auto joins = [&](codes::code c) {
    return (flags & automaton::stands_alone) ? codes::is_latin(c) : codes::is_digit(c);
  };
  if (!(flags & (automaton::stands_alone | automaton::is_number)))
    return outcome::yes;
  if (joins(before(begin)))
    return outcome::no;
  if (end == text.size())
    return final ? outcome::yes : outcome::needs_more;
  auto code_point = character_at(text, end).code_point;
  return code_point != no_character && joins(machine.code_of(code_point)) ? outcome::no
                                                                          : outcome::yes;
}

// The trie knows a run of one character as one. Each run of the text has to be as long as the
// word's, and the word ends as soon as the last one is.
ending automaton_scan::end_of_runs(const std::u16string& runs, std::size_t begin) const {
  code_reader reader{machine, text.substr(begin)};
  code_reader::step step{};
  bool more = reader.next(step);
  for (std::size_t i = 0; i < runs.size();) {
    // Digits are no runs.
    auto next = codes::is_digit(runs[i])
                    ? i + 1
                    : std::min(runs.find_first_not_of(runs[i], i), runs.size());
    auto wanted = next - i, most = codes::is_digit(runs[i]) ? 1 : repeats_max + 1,
         here = std::size_t{0};
    for (; more && step.code == runs[i] && here < most; more = reader.next(step))
      if (++here == wanted && next == runs.size())
        return {outcome::yes, begin + step.end};
    if (here < wanted)
      return {more || final || here == most ? outcome::no : outcome::needs_more};
    i = next;
  }
  return {outcome::no};
}

// All ways through the places at once, a bit each; it ends where the first one does. Read from the
// text, since a place may stand for a repeat.
ending automaton_scan::end_of_tail(const automaton::tail& tail, std::size_t k) const {
  auto with_optional = [&](std::uint64_t places) {
    for (std::size_t p = 0; p < tail.size(); ++p)
      if ((places >> p & 1) && tail[p].optional)
        places |= std::uint64_t{2} << p;
    return places;
  };
  auto begin = end_of_code(k);
  code_reader reader{machine, text.substr(begin), block.code[k]};
  code_reader::step step{block.code[k], 0, 0, 0};
  auto places = with_optional(1);
  for (std::size_t repeats = 0;;) {
    if (places >> tail.size() & 1)
      return {outcome::yes, begin + step.end};
    auto previous = step.code;
    if (!reader.next(step))
      return {final ? outcome::no : outcome::needs_more};
    repeats = step.code == previous ? repeats + 1 : 0;
    auto stay = machine.repeats(step.code) && repeats > 0 && repeats <= repeats_max;
    auto then = stay ? places : 0;
    for (std::size_t p = 0; p < tail.size(); ++p)
      if ((places >> p & 1) && step.code != codes::gap
          && (tail[p].any
              || std::binary_search(tail[p].codes.begin(), tail[p].codes.end(),
                                    static_cast<char16_t>(step.code))))
        then |= std::uint64_t{2} << p;
    if (then == 0)
      return {outcome::no};
    places = with_optional(then);
  }
}

ending automaton_scan::end_of(const automaton::word& word, std::size_t i, std::size_t k) const {
  if (word.flags & automaton::is_pattern)
    return end_of_tail(machine.tails_[word.extra], k);
  ending end{outcome::yes, 0};
  if (word.flags & automaton::has_runs)
    end = end_of_runs(machine.runs_[word.extra], block.at[i]);
  else
    end.end = end_of_code(k);
  if (end.what == outcome::yes)
    end.what = borders(word.flags, block.at[i], end.end);
  return end;
}

// Adds what begins at code `i`; false if more text is needed to know.
bool automaton_scan::walk(std::size_t i) {
  const auto& trie = machine.trie_;
  auto before = hits.size();
  code_trie::cursor at;
  bool goes = trie.start(at, block.code[i]);
  for (auto k = i; goes; goes = trie.step(at, block.code[k])) {
    if (at.flags & code_trie::ends) {
      for (auto w = at.value; w != automaton::none; w = machine.words_[w].next) {
        const auto& word = machine.words_[w];
        if ((word.to.tenant != 0 && word.to.tenant != to.tenant)
            || (word.to.channel != 0 && word.to.channel != to.channel))
          continue;
        auto [what, end] = end_of(word, i, k);
        if (what == outcome::needs_more) {
          hits.resize(before);
          return false;
        }
        if (what == outcome::yes)
          hits.push_back({block.at[i], end, word.entry});
      }
    }
    if (!(at.flags & code_trie::has_more))
      break;
    if (++k == block.size) {
      if (final)
        break;
      hits.resize(before);
      return false;
    }
  }
  if (hits.size() > before + 1) {
    auto first = hits.begin() + static_cast<std::ptrdiff_t>(before);
    std::sort(first, hits.end(), [](const found& a, const found& b) {
      return a.end != b.end ? a.end > b.end : a.entry < b.entry;
    });
    hits.erase(std::unique(first, hits.end(),
                           [](const found& a, const found& b) {
                             return a.end == b.end && a.entry == b.entry;
                           }),
               hits.end());
  }
  return true;
}

std::size_t automaton_scan::run(std::size_t hits_max) {
  const auto enough = hits.size() + hits_max;
  for (std::size_t at = 0;;) {
    at = read_any(at);
    auto last = at == text.size();
    auto starts = last ? block.size : block.size - look_ahead;
    auto count = sift_any(starts, last);
    for (std::size_t i = 0; i < count; ++i) {
      if (hits.size() >= enough || !walk(begins[i])) {
        auto held = block.at[begins[i]];
        hold_at(held);
        return held;
      }
    }
    if (holds_last(last && !final)) {
      auto held = block.at[block.size - 1];
      hold_at(held);
      return held;
    }
    if (last)
      break;
    block.size -= starts;
    std::memmove(block.code, block.code + starts, block.size * sizeof block.code[0]);
    std::memmove(block.at, block.at + starts, block.size * sizeof block.at[0]);
  }
  if (machine.has_borders_)
    context.before = before(text.size());
  return text.size();
}

std::size_t automaton::scan(std::string_view text, scan_context& context, bool final, audience to,
                            std::size_t hits_max, std::vector<found>& hits) const {
  if (empty())
    return text.size();
  return automaton_scan{*this, text, context, final, to, hits}.run(hits_max);
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
