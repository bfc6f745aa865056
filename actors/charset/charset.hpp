// Character sets: their names, and conversion to and from UTF-8 that tells what was lost.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace troupe::charset {

/// Of one text to convert, detect or fold.
inline constexpr std::size_t text_bytes_max = 32 * 1'024 * 1'024;

/// Losses that are described one by one; those above it are only counted.
inline constexpr std::size_t losses_max = 100;

/// A character set that is supported.
struct charset {
  std::string_view name;     // gb18030
  std::string_view icu_name; // what ICU calls it
  bool unicode;              // it has every character
};

/// All of them: UTF-8, UTF-16 and UTF-32 of both byte orders, GB18030, GBK, Big5 (and with HKSCS),
/// Shift-JIS, EUC-JP, EUC-KR and Latin-1.
std::span<const charset> charsets() noexcept;

/// By its name or one of its common other names (cp936, SJIS, latin1), without regard to case, `-`
/// and `_`. nullptr if it is not supported.
const charset* find_charset(std::string_view name) noexcept;

enum class loss_kind {
  invalid,    // these bytes are nothing in the source's charset
  unmappable, // this character is not in the other charset
};

/// Something that could not be converted.
struct loss {
  std::size_t offset; // of its first byte in the source
  std::string bytes;  // its bytes in the source, at most 8
  loss_kind kind;
};

struct converted {
  std::string text;
  std::vector<loss> losses;  // the first ones, in the order of their offsets
  std::uint64_t lost = 0;    // how many there were
  bool marked_order = false; // the source began with a byte order mark, which is not in the text
};

/// Bytes of a charset as UTF-8, by its vendor's table: what users defined for themselves is in
/// Unicode's private use area, and comes back from there. What cannot be converted becomes U+FFFD.
/// Throws std::length_error for more than text_bytes_max, std::runtime_error if ICU lacks its
/// tables. Takes linear time.
converted to_utf8(std::string_view bytes, const charset& from);

/// UTF-8 as bytes of a charset. What cannot be converted becomes `?`, or U+FFFD where the charset
/// has it. No byte order mark is written. Throws as `to_utf8` does.
converted from_utf8(std::string_view text, const charset& to);

} // namespace troupe::charset
