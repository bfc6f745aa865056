#include "actors/moderation/automaton_scan.hpp"
#include "actors/moderation/code_reader.hpp"

#include <algorithm>

namespace troupe::moderation {

// Any other character than those that are read in bulk, and those at the text's end.
codes::code automaton_scan::rare_code(std::size_t& at) const noexcept {
  auto [code_point, bytes] = character_at(text, at);
  at += bytes;
  return code_point == no_character ? codes::other : machine.code_of(code_point);
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

// Where words may begin among the first `starts` codes. If more text may follow, the last codes
// may begin one that is not seen yet.
template <bool Fours, bool LatinSingles>
std::size_t automaton_scan::sift(std::size_t starts, bool open) noexcept {
  std::size_t n = 0;
  auto sure = open ? starts - std::min<std::size_t>(starts, 3) : starts;
  for (std::size_t i = 0; i < sure; ++i) {
    begins[n] = static_cast<std::uint16_t>(i);
    n += may_begin<Fours, LatinSingles>(i);
  }
  for (auto i = sure, end = starts - holds_last(open); i < end; ++i) {
    begins[n] = static_cast<std::uint16_t>(i);
    n += may_begin<Fours, LatinSingles>(i) | static_cast<unsigned>(codes::is_latin(block.code[i]));
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

std::size_t automaton_scan::sift_any(std::size_t starts, bool last) noexcept {
  std::fill_n(block.code + block.size, codes_beyond, codes::other);
  auto open = last && !final;
  return machine.latin_singles_ != 0 ? sift<true, true>(starts, open)
         : machine.has_fours_        ? sift<true, false>(starts, open)
                                     : sift<false, false>(starts, open);
}

std::size_t automaton_scan::run(std::size_t hits_max) {
  const auto enough = hits.size() + hits_max;
  for (std::size_t at = 0;;) {
    at = for_folds(machine.folds_,
                   [&](auto symbols, auto repeats) { return read<symbols(), repeats()>(at); });
    auto last = at == text.size();
    auto starts = last ? block.size : block.size - look_ahead;
    auto count = sift_any(starts, last);
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
