// One scan of a text at work; of automaton.hpp, and internal to it.
#pragma once

#include "actors/moderation/automaton.hpp"
#include "actors/moderation/code_groups.hpp"

#include <cstring>

namespace troupe::moderation {

inline constexpr std::size_t block_codes = 2'048;
/// What a word or pattern that begins at one code may need of those behind it.
inline constexpr std::size_t look_ahead = text_characters_max + 2;
/// So many codes behind the last one may be looked at: they have to be `other`.
inline constexpr std::size_t codes_beyond = 16;

/// A part of the text as codes: each with the offset of its character. Of a run of repeats the
/// first one is here.
struct code_block {
  std::size_t size = 0;
  codes::code code[block_codes + look_ahead + codes_beyond];
  std::uint32_t at[block_codes + look_ahead + codes_beyond];

  template <class T>
  T codes_at(std::size_t i) const noexcept {
    T codes;
    std::memcpy(&codes, code + i, sizeof codes);
    return codes;
  }
};

/// Characters as 4 bytes of the text, in the order of x86: the first one is the lowest.
inline std::uint32_t four_bytes(const char* at) noexcept {
  std::uint32_t four;
  std::memcpy(&four, at, sizeof four);
  return four;
}
/// All are of ASCII.
inline bool is_ascii(std::uint32_t four) noexcept { return (four & 0x8080'8080) == 0; }
/// They begin with a character of three bytes.
inline bool is_three_bytes(std::uint32_t four) noexcept {
  return (four & 0x00c0'c0f0) == 0x0080'80e0 && (four & 0x200f) != 0; // not an overlong one
}
inline std::uint32_t of_three_bytes(std::uint32_t four) noexcept {
  return (four & 0x0f) << 12 | (four >> 2 & 0x0fc0) | (four >> 16 & 0x3f);
}

/// Which characters of a text count, one after the other, for what is seen through.
template <bool Symbols, bool Repeats>
struct counted {
  scan_context& at;

  /// Whether the next code counts. What then stands before it, or `other`, is in `between`.
  [[gnu::always_inline]] bool takes(codes::code code, codes::code& between) noexcept {
    between = codes::other;
    if constexpr (Symbols) {
      if (code >= codes::skipped_space) {
        at.gap_has_space |= code == codes::skipped_space;
        at.gap = static_cast<std::uint8_t>(at.gap <= symbols_max ? at.gap + 1 : at.gap);
        return false;
      }
      if (at.gap > 0) {
        if (at.gap > symbols_max)
          at.previous = between = codes::gap;
        else if (at.gap_has_space && codes::is_latin(at.previous) && codes::is_latin(code))
          at.previous = between = codes::space;
        at.gap = 0;
        at.gap_has_space = false;
      }
    }
    if constexpr (Repeats) {
      if (code == at.previous && code >= codes::first_letter && at.dropped < repeats_max) {
        ++at.dropped;
        return false;
      }
      at.dropped = 0;
    }
    at.previous = code;
    return true;
  }
};

// Calls one that is templated for what these folds see through.
template <class F>
auto for_folds(fold_set folds, F&& f) {
  using yes = std::true_type;
  using no = std::false_type;
  auto repeats = folds.has(fold::repeats);
  if (folds.has(fold::symbols))
    return repeats ? f(yes{}, yes{}) : f(yes{}, no{});
  return repeats ? f(no{}, yes{}) : f(no{}, no{});
}

enum class outcome : std::uint8_t { no, yes, needs_more };

struct ending {
  outcome what;
  std::size_t end = 0;
};

struct automaton_scan {
  const automaton& machine;
  std::string_view text;
  scan_context& context;
  bool final;
  audience to;
  std::vector<found>& hits;
  code_block block;
  std::uint16_t begins[block_codes + look_ahead + 8]; // indices of codes

  automaton_scan(const automaton& machine_, std::string_view text_, scan_context& context_,
                 bool final_, audience to_, std::vector<found>& hits_) :
      machine(machine_), text(text_), context(context_), final(final_), to(to_), hits(hits_) {}

  // Whether the last code is held back for certain, if nothing before it is: 1 or 0.
  unsigned holds_last(bool open) const noexcept {
    return open && block.size > 0
           && (machine.trie_.first_flags(block.code[block.size - 1]) & code_trie::has_more) != 0;
  }

  /// Scans the text; how, and what is returned: automaton.hpp.
  std::size_t run(std::size_t hits_max);
  template <bool Symbols, bool Repeats>
  std::size_t read(std::size_t at);
  template <bool Symbols, bool Repeats>
  std::size_t read_latin(std::size_t at, std::size_t& n, scan_context& after) noexcept;
  codes::code rare_code(std::size_t& at) const noexcept;
  // automaton_sift.cpp.
  std::size_t sift(std::size_t starts, bool last) noexcept;
  std::size_t glance(std::size_t starts) noexcept;
  unsigned may_begin(std::size_t i) const noexcept;
  unsigned goes_on(std::size_t i, std::size_t known) const noexcept;
  bool walk(std::size_t i);
  ending end_of(const automaton::word& word, std::size_t i, std::size_t k) const;
  ending end_of_runs(const std::u16string& runs, std::size_t begin) const;
  ending end_of_tail(const automaton::tail& tail, std::size_t k) const;
  outcome borders(std::uint8_t flags, std::size_t begin, std::size_t end) const;
  codes::code before(std::size_t at) const { return machine.code_before(text, at, context.before); }
  std::size_t end_of_code(std::size_t k) const {
    return block.at[k] + character_at(text, block.at[k]).bytes;
  }
  // The scan goes on from `at`.
  std::size_t hold_at(std::size_t at) {
    auto what = machine.has_borders_ ? before(at) : codes::other;
    context = {};
    context.before = what;
    return at;
  }
  std::size_t pass_all() {
    if (machine.has_borders_)
      context.before = before(text.size());
    return text.size();
  }
};

} // namespace troupe::moderation
