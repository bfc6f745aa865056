#include "actors/keywords/fold.hpp"

#include <unicode/uchar.h>
#include <unicode/unorm2.h>
#include <unicode/utf8.h>

#include <memory>

namespace troupe::keywords {

namespace {

constexpr std::size_t bmp_size = 0x10000;

/// The ordinary form of a full-width or half-width character.
UChar32 without_width(UChar32 c, const UNormalizer2* forms) {
  auto type = u_getIntPropertyValue(c, UCHAR_DECOMPOSITION_TYPE);
  if (type != U_DT_WIDE && type != U_DT_NARROW)
    return c;
  UChar ordinary[4];
  auto status = U_ZERO_ERROR;
  auto length = unorm2_getRawDecomposition(forms, c, ordinary, 4, &status);
  return U_SUCCESS(status) && length == 1 ? ordinary[0] : c;
}

std::unique_ptr<char16_t[]> make_table(folding how) {
  auto table = std::make_unique<char16_t[]>(bmp_size);
  auto status = U_ZERO_ERROR;
  const auto* forms = unorm2_getNFKCInstance(&status);
  for (UChar32 c = 0; c < static_cast<UChar32>(bmp_size); ++c) {
    auto folded = how.width && U_SUCCESS(status) ? without_width(c, forms) : c;
    if (how.letter_case)
      folded = u_foldCase(folded, U_FOLD_CASE_DEFAULT);
    table[static_cast<std::size_t>(c)] = static_cast<char16_t>(folded < 0x10000 ? folded : c);
  }
  return table;
}

template <bool Case, bool Width>
const char16_t* table() {
  static const auto made = make_table({Case, Width});
  return made.get();
}

const char16_t* table_of(folding how) {
  if (how.letter_case)
    return how.width ? table<true, true>() : table<true, false>();
  return how.width ? table<false, true>() : table<false, false>();
}

/// Calls `take(point, its offset)` for each character or malformed byte.
template <class Take>
void for_each_point(std::string_view text, Take&& take) {
  const auto* bytes = reinterpret_cast<const std::uint8_t*>(text.data());
  auto size = static_cast<std::int64_t>(text.size());
  for (std::int64_t i = 0; i < size;) {
    auto start = i;
    UChar32 c = 0;
    U8_NEXT(bytes, i, size, c);
    take(c < 0 ? malformed : static_cast<char32_t>(c), static_cast<std::uint32_t>(start));
  }
}

} // namespace

folder::folder(folding how) : bmp_(table_of(how)), letter_case_(how.letter_case) {}

char32_t folder::beyond_bmp(char32_t c) const noexcept {
  if (!letter_case_ || c >= malformed)
    return c;
  return static_cast<char32_t>(u_foldCase(static_cast<UChar32>(c), U_FOLD_CASE_DEFAULT));
}

void fold_text(std::string_view text, const folder& fold, folded_text& out) {
  out.points.clear();
  out.offsets.clear();
  std::size_t kept = 0; // up to the last point that is no space
  for_each_point(text, [&](char32_t c, std::uint32_t offset) {
    auto space = is_white_space(c);
    if (space && kept == 0)
      return;
    out.points.push_back(fold(c));
    out.offsets.push_back(offset);
    if (!space)
      kept = out.points.size();
  });
  auto end =
      kept < out.offsets.size() ? out.offsets[kept] : static_cast<std::uint32_t>(text.size());
  out.points.resize(kept);
  out.offsets.resize(kept);
  out.offsets.push_back(end);
}

std::u32string fold_points(std::string_view text, const folder& fold) {
  std::u32string points;
  for_each_point(text, [&](char32_t c, std::uint32_t) { points.push_back(fold(c)); });
  return points;
}

bool is_white_space(char32_t c) noexcept {
  return c == ' ' || (c <= 0x3000 && u_isUWhiteSpace(static_cast<UChar32>(c)));
}

bool is_word_character(char32_t c) noexcept {
  if (c < 0x80)
    return (c >= '0' && c <= '9') || ((c | 0x20) >= 'a' && (c | 0x20) <= 'z');
  if (c >= malformed || !u_isalnum(static_cast<UChar32>(c)))
    return false;
  auto line_break = u_getIntPropertyValue(static_cast<UChar32>(c), UCHAR_LINE_BREAK);
  return line_break == U_LB_ALPHABETIC || line_break == U_LB_NUMERIC
         || line_break == U_LB_HEBREW_LETTER;
}

bool is_plain_text(std::string_view text) noexcept {
  bool plain = true;
  for_each_point(text, [&](char32_t c, std::uint32_t) { plain &= c != 0 && c != malformed; });
  return plain;
}

std::string valid_text(std::string_view text) {
  std::string valid;
  valid.reserve(text.size());
  std::size_t last = text.size(); // where the point before begins, unless it is malformed
  auto flush = [&](std::size_t end) {
    if (last < end)
      valid += text.substr(last, end - last);
  };
  for_each_point(text, [&](char32_t c, std::uint32_t offset) {
    flush(offset);
    last = c == malformed ? text.size() : offset;
    if (c == malformed)
      valid += "\xEF\xBF\xBD";
  });
  flush(text.size());
  return valid;
}

std::string_view cut_text(std::string_view text, std::size_t bytes_max) noexcept {
  if (text.size() <= bytes_max)
    return text;
  auto end = bytes_max;
  while (end > 0 && (static_cast<unsigned char>(text[end]) & 0xC0) == 0x80)
    --end;
  return text.substr(0, end);
}

} // namespace troupe::keywords
