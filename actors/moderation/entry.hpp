// What a lexicon is made of.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace troupe::moderation {

inline constexpr std::size_t entries_max = 200'000;       // of one lexicon
inline constexpr std::size_t text_characters_max = 64;    // of one entry, and of what it matches
inline constexpr std::size_t text_bytes_max = 512;        // of one entry's text
inline constexpr std::size_t category_bytes_max = 64;     // of an entry
inline constexpr std::size_t replacement_bytes_max = 256; // of an entry
inline constexpr std::size_t scope_bytes_max = 128;       // of a tenant or a channel
inline constexpr std::size_t scopes_max = 65'000;         // different tenants, or channels
inline constexpr std::size_t categories_max = 1'000;      // different ones
inline constexpr int level_max = 9;

enum class entry_kind : std::uint8_t {
  word,
  pattern, // see pattern.hpp
  allowed, // a word within which nothing is found
};

/// What is to be done about a hit, from the mildest on.
enum class action : std::uint8_t { log, review, mask, replace, block };

struct entry {
  std::string text; // UTF-8
  entry_kind kind = entry_kind::word;
  std::string category;
  std::uint8_t level = 1; // 0 to 9, the gravest
  action act = action::mask;
  std::string replacement; // of action::replace; may be empty
  std::string tenant;      // empty: all
  std::string channel;     // empty: all
  bool pinyin = false;     // also found by its sound, if it has at least two Han characters

  friend bool operator==(const entry&, const entry&) = default;
};

/// One of the lexicons that were put together.
struct lexicon_part {
  std::string name;
  std::uint64_t version = 0;
  std::size_t first_entry = 0; // its index among all
};

struct lexicon {
  std::string name;
  std::uint64_t version = 0;
  std::vector<entry> entries;
  std::vector<lexicon_part> parts = {}; // in the order of their entries; none: it is one by itself
};

/// An entry that cannot be used as it is, or had better not.
struct problem {
  std::size_t entry = 0; // its index; of an import the line, counted from 1
  std::string text;      // a sentence that says what to do

  friend bool operator==(const problem&, const problem&) = default;
};

/// `word`, `pattern`, `allowed`; `log`, `review`, `mask`, `replace`, `block`.
std::string_view name_of(entry_kind kind) noexcept;
std::string_view name_of(action act) noexcept;
std::optional<entry_kind> entry_kind_named(std::string_view name) noexcept;
std::optional<action> action_named(std::string_view name) noexcept;

/// What is wrong with the entry by itself (lengths, UTF-8, level, the pattern's syntax); empty if
/// nothing is.
std::string fault_of(const entry& one);

} // namespace troupe::moderation
