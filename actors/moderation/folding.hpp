// How characters are seen: which ones count as the same, and which ones do not count.
#pragma once

#include <cstdint>
#include <cstring>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace troupe::moderation {

/// What matching sees through; each can be switched off.
enum class fold : std::uint8_t {
  width = 1,       // Ａ ⓐ 𝐀 are A
  look_alikes = 2, // Cyrillic а is a, é is e, ⼈ is 人
  letter_case = 4, // A is a
  script = 8,      // 國 is 国
  symbols = 16,    // what stands between the characters of a word: 敏*感 is 敏感
  repeats = 32,    // a character again and again: 敏敏感 is 敏感
  pinyin = 64,     // 微 is wei; of entries that ask for it only
};

/// A set of folds.
class fold_set {
public:
  constexpr fold_set() = default;
  constexpr fold_set(std::initializer_list<fold> folds) {
    for (auto one : folds)
      bits_ |= static_cast<std::uint8_t>(one);
  }
  static constexpr fold_set none() { return {}; }
  static constexpr fold_set all() {
    return {fold::width,   fold::look_alikes, fold::letter_case, fold::script,
            fold::symbols, fold::repeats,     fold::pinyin};
  }

  constexpr bool has(fold one) const { return (bits_ & static_cast<std::uint8_t>(one)) != 0; }
  constexpr bool empty() const { return bits_ == 0; }
  constexpr void add(fold one) { bits_ |= static_cast<std::uint8_t>(one); }
  constexpr fold_set operator|(fold_set other) const { return from(bits_ | other.bits_); }
  constexpr fold_set without(fold_set other) const { return from(bits_ & ~other.bits_); }
  constexpr std::uint8_t bits() const { return bits_; }
  friend constexpr bool operator==(fold_set, fold_set) = default;

private:
  static constexpr fold_set from(int bits) {
    fold_set result;
    result.bits_ = static_cast<std::uint8_t>(bits);
    return result;
  }

  std::uint8_t bits_ = 0;
};

/// `width`, `look_alikes`, `letter_case`, `script`, `symbols`, `repeats` or `pinyin`.
std::string_view name_of(fold one) noexcept;

/// What a byte that is no UTF-8 counts as; it is equal to nothing, not even to itself.
inline constexpr char32_t no_character = 0xffff'ffff;

/// A character of a text: its code point, or `no_character`, and how many bytes it takes.
struct character {
  char32_t code_point;
  std::uint32_t bytes;
};

/// The character at `at`, which is inside the text. Overlong forms and surrogates are
/// `no_character` with all their bytes; any other byte out of place is one by itself.
inline character character_at(std::string_view text, std::size_t at) noexcept {
  auto left = text.size() - at;
  auto byte = [&](std::size_t i) -> std::uint32_t {
    return i < left ? static_cast<unsigned char>(text[at + i]) : 0u;
  };
  auto continues = [&](std::size_t i) { return (byte(i) & 0xc0) == 0x80; };
  auto first = byte(0);
  if (first < 0x80)
    return {first, 1};
  if (first >= 0xc0 && first < 0xe0 && continues(1)) {
    char32_t code = (first & 0x1f) << 6 | (byte(1) & 0x3f);
    return {code >= 0x80 ? code : no_character, 2};
  }
  if (first >= 0xe0 && first < 0xf0 && continues(1) && continues(2)) {
    char32_t code = (first & 0x0f) << 12 | (byte(1) & 0x3f) << 6 | (byte(2) & 0x3f);
    return {code >= 0x800 && code - 0xd800 >= 0x800 ? code : no_character, 3};
  }
  if (first >= 0xf0 && first < 0xf8 && continues(1) && continues(2) && continues(3)) {
    char32_t code =
        (first & 0x07) << 18 | (byte(1) & 0x3f) << 12 | (byte(2) & 0x3f) << 6 | (byte(3) & 0x3f);
    return {code >= 0x10000 && code < 0x110000 ? code : no_character, 4};
  }
  return {no_character, 1};
}

/// How many bytes at the text's end may be the beginning of a character that goes on: 0 to 3.
inline std::size_t unfinished_bytes(std::string_view text) noexcept {
  char ends[3] = {};
  if (text.size() >= sizeof ends)
    std::memcpy(ends, text.data() + text.size() - sizeof ends, sizeof ends);
  else if (!text.empty())
    std::memcpy(ends + sizeof ends - text.size(), text.data(), text.size());
  auto last = [&](std::size_t i) -> unsigned { return static_cast<unsigned char>(ends[2 - i]); };
  // Without branches: a stream ends anywhere in a character.
  auto begins = [](unsigned byte, unsigned from) -> unsigned { return byte - from < 0xf8 - from; };
  auto continues = [](unsigned byte) -> unsigned { return byte - 0x80 < 0x40; };
  auto one = begins(last(0), 0xc0);
  auto two = continues(last(0)) & begins(last(1), 0xe0);
  auto three = continues(last(0)) & continues(last(1)) & begins(last(2), 0xf0);
  return one + 2 * two + 3 * three; // at most one of them is so
}

/// UTF-8 of a code point at the end of `out`.
void append_utf8(std::string& out, char32_t code_point);

/// What a character is to matching.
enum class character_kind : std::uint8_t {
  other,  // letters, digits, and what is no character
  space,  // White_Space
  symbol, // all the rest, with combining and invisible characters
};
character_kind kind_of(char32_t code_point) noexcept;

/// The character that this one counts as. Only the folds from character to character are heeded:
/// width, look_alikes, letter_case and script, in this order.
char32_t folded(char32_t code_point, fold_set folds) noexcept;

/// The same of the first 65,536 code points, by code point. Made once for each set of folds.
const std::vector<char32_t>& folded_basic_plane(fold_set folds);

/// Which folds make these two equal: the first ones, in the order of `folded`, after which they
/// are; nothing if they are equal, or never become so.
fold_set folds_between(char32_t a, char32_t b, fold_set folds) noexcept;

/// The Mandarin reading of a Han character without its tone, as `wei`; empty for others.
std::string_view pinyin_of(char32_t code_point) noexcept;

namespace tables { // generated at build by tools/make_folding.cpp

struct pair {
  char32_t from, to;
};
/// By `from`, ascending.
extern const std::span<const pair> width, look_alikes, letter_case, script;
extern const char* const syllables[];
inline constexpr char32_t pinyin_first = 0x3400, pinyin_last = 0x9fff;
extern const std::uint16_t syllable_of[pinyin_last - pinyin_first + 1];

} // namespace tables

} // namespace troupe::moderation
