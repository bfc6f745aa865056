// Texts as rules see them: code points, without regard to case and width. No CAF.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace troupe::keywords {

/// What does not tell two characters apart: of rules and of texts alike.
struct folding {
  bool letter_case = true; // ICU's simple case folding: one character stays one
  bool width = true;       // full-width and half-width forms, the ideographic space
};

/// A byte that is no UTF-8. No rule contains it; wildcards match it.
inline constexpr char32_t malformed = 0x110000;

/// Folds one character after the other. Cheap to copy; thread-safe.
class folder {
public:
  explicit folder(folding how);

  char32_t operator()(char32_t c) const noexcept { return c < 0x10000 ? bmp_[c] : beyond_bmp(c); }

private:
  char32_t beyond_bmp(char32_t c) const noexcept;

  const char16_t* bmp_; // a table for the whole process
  bool letter_case_;
};

struct folded_text {
  std::u32string points;              // without white space at both ends
  std::vector<std::uint32_t> offsets; // bytes: where each point begins, then where the last ends
};

/// Folds a text of less than 4 GiB into `out`, whose memory is used again.
void fold_text(std::string_view text, const folder& fold, folded_text& out);

/// The folded points of a text, white space at its ends included.
std::u32string fold_points(std::string_view text, const folder& fold);

/// Unicode's white space, the ideographic one among it.
bool is_white_space(char32_t c) noexcept;

/// True for characters of which words between spaces are made: letters and digits of alphabets, not
/// of Chinese, Japanese, Thai or Korean.
bool is_word_character(char32_t c) noexcept;

/// True for UTF-8 text without U+0000.
bool is_plain_text(std::string_view text) noexcept;

/// The text with U+FFFD for every malformed byte.
std::string valid_text(std::string_view text);

/// The text's beginning of at most `bytes_max`, never cut within a character.
std::string_view cut_text(std::string_view text, std::size_t bytes_max) noexcept;

} // namespace troupe::keywords
