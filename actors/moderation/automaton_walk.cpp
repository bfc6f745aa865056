#include "actors/moderation/automaton_scan.hpp"
#include "actors/moderation/code_reader.hpp"

#include <algorithm>

namespace troupe::moderation {

codes::code automaton::code_before(std::string_view text, std::size_t at,
                                   codes::code otherwise) const noexcept {
  if (at == 0)
    return otherwise;
  auto begin = at - 1;
  while (begin > 0 && at - begin < 4 && (static_cast<unsigned char>(text[begin]) & 0xc0) == 0x80)
    --begin;
  auto [code_point, bytes] = character_at(text, begin);
  if (code_point == no_character || begin + bytes != at)
    return codes::other;
  return code_of(code_point);
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

} // namespace troupe::moderation
