// Finds every word and pattern of a lexicon in a text, in one pass. Part of matcher.hpp, which is
// what others use.
//
// A text becomes a sequence of codes: characters that count as the same have one code, and those
// that do not count have none. A bitmap of the pairs (of ASCII: groups of four) that begin a word
// tells where one may begin; from there a trie is walked.
#pragma once

#include "actors/moderation/beginnings.hpp"
#include "actors/moderation/code_groups.hpp"
#include "actors/moderation/code_trie.hpp"
#include "actors/moderation/entry.hpp"
#include "actors/moderation/folding.hpp"
#include "actors/moderation/pattern.hpp"

#include <array>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

namespace troupe::moderation {

/// Between two characters of a word at most so many that do not count.
inline constexpr std::size_t symbols_max = 6;
/// So many repeats of a character are seen through; what follows them counts anew.
inline constexpr std::size_t repeats_max = 16;
/// Latin words of up to so many characters are found only where they stand alone.
inline constexpr std::size_t border_characters_max = 3;
/// So many entries may have the same characters.
inline constexpr std::size_t same_words_max = 64;

/// For whom a text is, as numbers; 0 is nobody in particular.
struct audience {
  std::uint16_t tenant = 0, channel = 0;
};

/// A place where an entry was found: bytes [begin, end) of the text.
struct found {
  std::size_t begin, end;
  std::uint32_t entry;
};

/// What a scan that goes on later has to know of the text before.
struct scan_context {
  std::uint16_t previous = 0; // the last code
  std::uint8_t dropped = 0;   // repeats since
  std::uint8_t gap = 0;       // characters since that do not count
  bool gap_has_space = false;
  std::uint16_t before = 0; // what stands directly before, counting or not
};

/// Where a scan of pieces stands. What it knows of the last two characters is kept, so that they
/// are not read again if they are held back. Offsets are of the text.
struct piece_context {
  scan_context before, after;    // of what is held back
  std::uint32_t read_to = 0;     // to here the characters are codes already
  std::uint8_t unfinished = 0;   // bytes from there that begin a character: 0 to 2
  std::uint8_t first = 2;        // of the last two codes: from this one on they are held back
  std::uint32_t last_at[2] = {}; // where the last two codes begin
  std::uint32_t pair = 0;        // the last two codes
  std::uint64_t closed = 0;      // how words do not go on after them

  /// The text's first bytes are forgotten.
  void drop(std::size_t bytes) noexcept {
    for (auto* at : {&read_to, &last_at[0], &last_at[1]})
      *at -= static_cast<std::uint32_t>(bytes);
  }
};

namespace codes {
using code = std::uint16_t;
inline constexpr code other = 0; // in no word
inline constexpr code gap = 1;   // more between two characters than is seen through
inline constexpr code space = 2; // between Latin words
inline constexpr code first_digit = 3, first_letter = 13, first_rare = 65;
inline constexpr code skipped_space = 0xfffe, skipped = 0xffff; // never in a sequence
static_assert(first_digit == three_beginnings::first
              && first_rare == first_digit + three_beginnings::count);
inline constexpr bool is_latin(code c) { return c >= first_digit && c < first_rare; }
inline constexpr bool is_digit(code c) { return c >= first_digit && c < first_letter; }
inline constexpr code of_ascii(char32_t c) {
  if (c >= U'0' && c <= U'9')
    return static_cast<code>(first_digit + (c - U'0'));
  if (c >= U'a' && c <= U'z')
    return static_cast<code>(first_letter + (c - U'a'));
  if (c >= U'A' && c <= U'Z')
    return static_cast<code>(first_letter + 26 + (c - U'A'));
  return other;
}
} // namespace codes

/// What an entry is to the automaton.
struct automaton_item {
  std::uint32_t entry;
  entry_kind kind;
  audience to;
  std::u32string characters; // of a word
  pattern places;            // of a pattern
};

/// Immutable and thread-safe once built.
class automaton {
public:
  automaton() = default;
  /// With `word_borders`, short Latin words and numbers stand alone. An item that cannot be used is
  /// told in `problems`.
  automaton(const std::vector<automaton_item>& items, fold_set folds, bool word_borders,
            std::vector<problem>& problems);

  bool empty() const noexcept { return trie_.empty(); }
  std::size_t memory_bytes() const noexcept;

  /// Adds what begins before the offset it returns, in order of the beginning, then the longer
  /// first. From that offset on more text is needed, or (if at least `hits_max` were added) another
  /// call with the text from there; `context` is then for that call. With `final` nothing follows.
  std::size_t scan(std::string_view text, scan_context& context, bool final, audience to,
                   std::size_t hits_max, std::vector<found>& hits) const;

  /// The same for a text that a small piece was added to, that goes on and may end within a
  /// character; `readable_beyond` bytes behind it may be read. If the piece is too long or not of
  /// the usual characters, `not_scanned`, and `context.before` is for `scan`.
  std::size_t scan_piece(std::string_view text, piece_context& context, audience to,
                         std::vector<found>& hits) const;
  static constexpr std::size_t not_scanned = std::string_view::npos;
  static constexpr std::size_t readable_beyond = 32;

  /// Whether, between the first and the last of the characters, some were skipped as symbols or as
  /// repeats; and which characters count: their code points, as they are written.
  struct trace {
    bool symbols = false, repeats = false;
    std::u32string counted;
  };
  trace traced(std::string_view hit) const;

private:
  friend class automaton_builder;
  friend class code_reader;
  friend class piece_scan;
  friend struct automaton_scan;

  struct word {
    std::uint32_t next; // of the same codes, or none
    std::uint32_t entry;
    std::uint32_t extra; // index of its tail or its runs
    audience to;
    std::uint8_t flags;
  };
  static constexpr std::uint8_t stands_alone = 1, is_number = 2, has_runs = 4, is_pattern = 8;
  static constexpr std::uint32_t none = 0xffff'ffff;

  struct tail_place {
    bool any, optional;
    std::u16string codes; // ascending
  };
  using tail = std::vector<tail_place>;

  /// A set of groups of codes by their keys, which are pairs of codes or `groups::low_bytes` of
  /// four; says yes to a few others too. The first one's bit is the highest of a word.
  struct gate {
    std::vector<std::uint32_t> bits = std::vector<std::uint32_t>(2);
    unsigned shift = 26;
    void size_for(std::size_t groups);
    void add(std::uint32_t key) {
      auto place = groups::hashed_key(key) >> shift;
      bits[place / 32] |= 0x8000'0000u >> place % 32;
    }
    unsigned has(std::uint32_t key) const noexcept { // 1 or 0
      auto place = groups::hashed_key(key) >> shift;
      return bits[place / 32] << place % 32 >> 31;
    }
  };

  /// Exactly those pairs of a `gate` that are of a Latin code and one that is no rare one: Latin
  /// text meets all pairs of letters, and few words begin with two.
  struct latin_gate {
    static constexpr int row_log2 = 7, row = 1 << row_log2; // bits of a first code
    static constexpr int places = row << 7;
    std::array<std::uint32_t, places / 32> bits{};
    bool any = false;
    static bool is_for(std::uint32_t pair) noexcept {
      return codes::is_latin(static_cast<codes::code>(pair)) && pair >> 16 < codes::first_rare;
    }
    static std::uint32_t place_of(std::uint32_t pair) noexcept {
      return ((pair & 0xffff) << row_log2) + (pair >> 16);
    }
    void add(std::uint32_t pair) {
      bits[place_of(pair) / 32] |= 0x8000'0000u >> place_of(pair) % 32;
      any = true;
    }
    unsigned has(std::uint32_t pair) const noexcept { // 1 or 0
      return bits[place_of(pair) / 32] << place_of(pair) % 32 >> 31;
    }
  };

  /// Of hashed groups, how words go on after them: bits of `groups::way`. Those by which none does
  /// are set: what it says yes to may be wrong.
  struct way_table {
    std::vector<std::uint64_t> closed = std::vector<std::uint64_t>(2, ~std::uint64_t{0});
    std::size_t mask = 1;
    void size_for(std::size_t groups);
    void add(std::uint32_t hashed, std::uint64_t way) {
      closed[hashed >> 15 & mask] &= ~std::rotl(way, static_cast<int>(hashed >> 9));
    }
    // Groups that share a word of bits have them at different places.
    static std::uint64_t closed_after(const std::uint64_t* closed, std::size_t mask,
                                      std::uint32_t hashed) noexcept {
      return std::rotr(closed[hashed >> 15 & mask], static_cast<int>(hashed >> 9));
    }
    std::uint64_t closed_after(std::uint32_t hashed) const noexcept {
      return closed_after(closed.data(), mask, hashed);
    }
  };

  // Whether words begin with the pair: 1 or 0.
  unsigned has_pair(std::uint32_t pair) const noexcept {
    return latin_gate::is_for(pair) ? latin_pairs_.has(pair) : pairs_.has(pair);
  }
  bool has_singles() const noexcept { return singles_ != 0 || latin_singles_ != 0; }
  // Of four codes with which words begin, and the next two: 1 or 0.
  unsigned four_goes_on(std::uint64_t four, std::uint32_t next) const noexcept {
    auto closed = after_fours_.closed_after(groups::hashed_key(groups::low_bytes(four)));
    return groups::has_way(closed, next) | groups::has_way(closed, next & 0xffff)
           | groups::has_way(closed, 0);
  }
  unsigned is_rare_single(codes::code c) const noexcept { // 1 or 0
    return static_cast<unsigned>(static_cast<codes::code>(c - codes::first_rare) < singles_);
  }
  unsigned is_latin_single(codes::code c) const noexcept {
    return codes::is_latin(c) ? latin_singles_ >> (c - codes::first_digit) & 1 : 0;
  }

  codes::code code_of(char32_t code_point) const noexcept {
    if (code_point < 0x10000)
      return code_of_[code_point];
    return code_of_far(code_point);
  }
  codes::code code_of_far(char32_t code_point) const noexcept;
  // Of the character that ends at `at`; at the text's beginning `otherwise`.
  codes::code code_before(std::string_view text, std::size_t at,
                          codes::code otherwise) const noexcept;
  bool repeats(codes::code c) const noexcept { // is one with those of its kind before it
    return folds_.has(fold::repeats) && c >= codes::first_letter;
  }

  fold_set folds_;
  std::vector<codes::code> code_of_; // of the first 65,536 characters
  std::unordered_map<char32_t, codes::code> far_;
  code_trie trie_;
  std::vector<word> words_;
  std::vector<tail> tails_;
  std::vector<std::u16string> runs_; // the codes of words that repeat a character
  // Words begin with one of these: Latin ones of four codes or more with the first four, others
  // with the first two. Of those that do, the others tell how they go on.
  gate pairs_, fours_;
  latin_gate latin_pairs_;
  way_table after_pairs_, after_fours_;
  pair_beginnings pair_beginnings_;
  three_beginnings three_beginnings_;
  std::vector<std::uint8_t> goes_on_ = std::vector<std::uint8_t>(codes::first_rare); // by code: 1
  bool has_fours_ = false, has_borders_ = false;
  codes::code singles_ = 0;         // so many codes from `first_rare` on may be words by themselves
  std::uint64_t latin_singles_ = 0; // of the Latin ones a bit each
};

} // namespace troupe::moderation
