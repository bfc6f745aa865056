// The split patterns as state machines, for those who cut whole texts. split.hpp says what they
// are.
#pragma once

#include "actors/tokenizer/ascii_runs.hpp"
#include "actors/tokenizer/unicode_classes.hpp"

#include <array>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <string_view>

namespace troupe::tokens {

/// By a word's first byte, how many bytes it has at least; more than there are if none begins so.
using word_leads = std::array<std::uint8_t, 256>;

template <class Leads>
constexpr word_leads make_leads(Leads leads_a_word) {
  word_leads result{};
  for (std::size_t byte = 0; byte < result.size(); ++byte) {
    auto ascii = byte < ascii_classes.size();
    auto kind = ascii ? ascii_classes[byte] : std::uint8_t{0};
    auto is_lead = ascii && !(kind & (char_class::number | char_class::newline))
                   && leads_a_word(static_cast<char>(byte));
    result[byte] = kind & char_class::letter ? 1 : is_lead ? 2 : 0xff;
  }
  return result;
}

inline constexpr auto space_leads = make_leads([](char byte) { return byte == ' '; });
inline constexpr auto all_lead = make_leads([](char) { return true; });
inline constexpr auto no_quote_leads = make_leads([](char byte) { return byte != '\''; });

// The splitters follow their regular expression alternative by alternative; where the expression
// would backtrack, they say what the backtracking comes to.
class splitter {
public:
  explicit splitter(std::string_view text) noexcept : text_(text) {}

  std::size_t gpt2(std::size_t begin) const noexcept {
    if (auto end = short_word<false>(begin, space_leads); end != begin)
      return end;
    if (auto end = contraction(begin, false); end != begin)
      return end;
    auto first = at(begin);
    auto body = text_[begin] == ' ' && begin + 1 < text_.size() ? begin + 1 : begin;
    auto kind = body == begin ? first.kind : at(body).kind;
    if (kind & char_class::letter)
      return run_of_letters(body);
    if (kind & char_class::number)
      return run_of(char_class::number, body);
    if (!(kind & char_class::space))
      return run_of_symbols(body);
    return spaces(begin);
  }

  [[gnu::always_inline]] std::size_t cl100k(std::size_t begin) const noexcept {
    if (auto end = short_word<false>(begin, no_quote_leads); end != begin)
      return end;
    return words_and_numbers<3>(begin);
  }

  std::size_t qwen(std::size_t begin) const noexcept {
    if (auto end = short_word<false>(begin, no_quote_leads); end != begin)
      return end;
    return words_and_numbers<1>(begin);
  }

  [[gnu::always_inline]] std::size_t o200k(std::size_t begin) const noexcept {
    if (auto end = short_word<true>(begin, all_lead); end != begin)
      return end;
    return words_of_case(begin);
  }

  std::size_t words_of_case(std::size_t begin) const noexcept {
    auto first = at(begin);
    if (auto end = cased_word(begin, first); end != begin)
      return contraction(end, true);
    if (first.kind & char_class::number)
      return numbers<3>(begin);
    if (auto end = symbols(begin); end != begin) {
      while (end < text_.size() && (is_newline(text_[end]) || text_[end] == '/'))
        ++end;
      return end;
    }
    return lines_or_spaces(begin);
  }

  // What the first and the second of the three expressions take is looked for first. For the third,
  // such characters are the end of the text.
  std::size_t deepseek(std::size_t begin) const noexcept {
    auto first = at(begin);
    if (first.kind & char_class::cjk)
      return run_of(char_class::cjk, begin);
    if (first.kind & char_class::number)
      return numbers<3>(begin);
    for (auto i = begin; i < text_.size(); i += at(i).bytes) {
      if (is_taken(at(i)))
        return i;
      // What no alternative takes is a piece up to where one does.
      if (auto end = deepseek_match(i); end != i)
        return i == begin ? end : i;
    }
    return text_.size();
  }

private:
  // Where the word of ASCII letters at `begin` ends, if it is one of the expression's first
  // alternatives, and its end is seen in sixteen bytes; else `begin`. Most pieces are such.
  template <bool by_case>
  [[gnu::always_inline]] std::size_t short_word(std::size_t begin,
                                                const word_leads& least) const noexcept {
    if (begin + 16 > text_.size())
      return begin;
    auto found = ascii::classes_of(text_.data() + begin);
    auto bytes_min = std::size_t{least[static_cast<unsigned char>(text_[begin])]};
    auto letters = found.lower | found.upper;
    std::size_t bytes;
    if (by_case) { // upper ones, then lower ones
      auto lead = bytes_min == 2 ? 1u : 0u;
      auto after_upper = lead + static_cast<unsigned>(std::countr_one(found.upper >> lead));
      bytes = after_upper + static_cast<unsigned>(std::countr_one(found.lower >> after_upper));
    } else {
      bytes = static_cast<std::size_t>(std::countr_one(letters | 1));
    }
    if (bytes < bytes_min || bytes >= 16 || (found.wide >> bytes & 1) != 0)
      return begin;
    if (by_case && text_[begin + bytes] == '\'')
      return begin;
    return begin + bytes;
  }

  static bool is_newline(char c) noexcept { return c == '\r' || c == '\n'; }

  static bool may_lead_a_word(character c) noexcept {
    return !(c.kind & (char_class::letter | char_class::number | char_class::newline));
  }

  [[gnu::always_inline]] character at(std::size_t i) const noexcept {
    return character_at(text_, i);
  }

  bool is_ascii(std::size_t i) const noexcept {
    return static_cast<unsigned char>(text_[i]) < 0x80;
  }

  std::size_t run_of(std::uint8_t mask, std::size_t i) const noexcept {
    while (i < text_.size()) {
      auto c = at(i);
      if (!(c.kind & mask))
        break;
      i += c.bytes;
    }
    return i;
  }

  // Of U+4E00 to U+9FFF, which are letters of both cases and not much else is in Chinese.
  std::size_t end_of_han(std::size_t i) const noexcept {
    while (three_bytes_at(text_, i) - 0x4e00 < 0x5200)
      i += 3;
    return i;
  }

  std::size_t run_of_letters(std::size_t i) const noexcept {
    for (;;) {
      i = ascii::end_of_letters<true>(text_, i);
      if (i == text_.size() || is_ascii(i))
        return i;
      i = end_of_han(i);
      while (i < text_.size() && !is_ascii(i)) {
        auto c = at(i);
        if (!(c.kind & char_class::letter))
          return i;
        i += c.bytes;
      }
    }
  }

  std::size_t run_of_symbols(std::size_t i) const noexcept {
    while (i < text_.size()) {
      auto c = at(i);
      if (c.kind & (char_class::space | char_class::letter | char_class::number))
        break;
      i += c.bytes;
    }
    return i;
  }

  // 's|'t|'re|'ve|'m|'ll|'d: where it ends, or `i` if it is not there. Without regard to case, 's
  // has a third form, with U+017F, the long s.
  [[gnu::always_inline]] std::size_t contraction(std::size_t i, bool any_case) const noexcept {
    return i + 1 >= text_.size() || text_[i] != '\'' ? i : contraction_of_quote(i, any_case);
  }

  std::size_t contraction_of_quote(std::size_t i, bool any_case) const noexcept {
    auto letter_at = [&](std::size_t k) {
      char c = k < text_.size() ? text_[k] : '\0';
      return any_case && c >= 'A' && c <= 'Z' ? static_cast<char>(c + ('a' - 'A')) : c;
    };
    auto second = letter_at(i + 2);
    switch (letter_at(i + 1)) {
      case 's':
      case 't':
      case 'm':
      case 'd':
        return i + 2;
      case 'r':
      case 'v':
        return second == 'e' ? i + 3 : i;
      case 'l':
        return second == 'l' ? i + 3 : i;
      case '\xc5':
        return any_case && second == '\xbf' ? i + 3 : i;
      default:
        return i;
    }
  }

  template <int at_most>
  std::size_t numbers(std::size_t i) const noexcept {
    for (int taken = 0; taken < at_most && i < text_.size(); ++taken) {
      auto c = at(i);
      if (!(c.kind & char_class::number))
        break;
      i += c.bytes;
    }
    return i;
  }

  // " ?[^\s\p{L}\p{N}]+", or `begin` if there are none.
  std::size_t symbols(std::size_t begin) const noexcept {
    auto body = text_[begin] == ' ' ? begin + 1 : begin;
    auto end = run_of_symbols(body);
    return end == body ? begin : end;
  }

  // \s+(?!\S)|\s+: a run of spaces, less its last one when something follows that wants it.
  std::size_t spaces(std::size_t begin) const noexcept {
    auto end = begin;
    auto last = begin;
    while (end < text_.size()) {
      auto c = at(end);
      if (!(c.kind & char_class::space))
        return last > begin ? last : end;
      last = end;
      end += c.bytes;
    }
    return end;
  }

  // \s*[\r\n]+ goes to the last newline of the run; else as `spaces`.
  std::size_t lines_or_spaces(std::size_t begin) const noexcept {
    auto end = begin;
    auto last = begin;
    auto after_newline = begin;
    while (end < text_.size()) {
      auto c = at(end);
      if (!(c.kind & char_class::space))
        break;
      last = end;
      end += c.bytes;
      if (c.kind & char_class::newline)
        after_newline = end;
    }
    if (after_newline > begin)
      return after_newline;
    return end == text_.size() || last == begin ? end : last;
  }

  // The patterns of cl100k and of Qwen: they differ in how many digits stand together.
  template <int at_most>
  std::size_t words_and_numbers(std::size_t begin) const noexcept {
    if (auto end = contraction(begin, true); end != begin)
      return end;
    auto first = at(begin);
    if (first.kind & char_class::letter)
      return run_of_letters(begin);
    if (auto body = begin + first.bytes; may_lead_a_word(first) && body < text_.size())
      if (at(body).kind & char_class::letter)
        return run_of_letters(body);
    if (first.kind & char_class::number)
      return numbers<at_most>(begin);
    if (auto end = symbols(begin); end != begin) {
      while (end < text_.size() && is_newline(text_[end]))
        ++end;
      return end;
    }
    return lines_or_spaces(begin);
  }

  static bool is_taken(character c) noexcept {
    return (c.kind & (char_class::cjk | char_class::number)) != 0;
  }

  std::size_t run_of_untaken(std::uint8_t mask, std::size_t i) const noexcept {
    while (i < text_.size()) {
      auto c = at(i);
      if (!(c.kind & mask) || is_taken(c))
        break;
      i += c.bytes;
    }
    return i;
  }

  // The third expression at `i`, which is not taken: where its match ends, or `i`.
  std::size_t deepseek_match(std::size_t i) const noexcept {
    constexpr std::uint8_t word = char_class::upper | char_class::lower; // letters and marks
    auto first = at(i);
    auto after = i + first.bytes;
    if (is_ascii(i) && (first.kind & char_class::symbol))
      if (auto end = ascii::end_of_letters<true>(text_, after); end != after)
        return end;
    if (first.kind & word)
      return run_of_untaken(word, i);
    if (!(first.kind & (char_class::newline | char_class::symbol)))
      if (auto end = run_of_untaken(word, after); end != after)
        return end;
    auto body = text_[i] == ' ' ? after : i;
    if (auto end = run_of_untaken(char_class::symbol, body); end != body) {
      while (end < text_.size() && is_newline(text_[end]))
        ++end;
      return end;
    }
    if (!(first.kind & char_class::space))
      return i;
    auto run = run_of(char_class::space, i);
    return run < text_.size() && is_taken(at(run)) ? lines_or_all_spaces(i, run)
                                                   : lines_or_spaces(i);
  }

  // As lines_or_spaces, before the end of the text.
  std::size_t lines_or_all_spaces(std::size_t begin, std::size_t end) const noexcept {
    auto newline = text_.substr(begin, end - begin).find_last_of("\r\n");
    return newline == text_.npos ? end : begin + newline + 1;
  }

  // The first two alternatives of o200k without their contraction; `begin` if neither matches.
  std::size_t cased_word(std::size_t begin, character first) const noexcept {
    auto body = begin + first.bytes;
    auto lead = may_lead_a_word(first) && body < text_.size();
    if (lead)
      if (auto end = upper_then_lower(body); end != body)
        return end;
    // Without the leading character: it is a letter itself, or a mark, which is both cases.
    if (auto end = upper_then_lower(begin); end != begin)
      return end;
    auto start = lead ? body : begin;
    auto end = run_of(char_class::upper, start);
    return end == start ? begin : end;
  }

  // [upper]*[lower]+, or `begin`. When no lower follows the run of uppers, the run gives back what
  // comes after its last character of both cases, and that character is the lower one.
  std::size_t upper_then_lower(std::size_t begin) const noexcept {
    auto i = begin;
    while (i < text_.size() && ascii::is_upper(text_[i]))
      ++i;
    if (auto end = ascii::end_of_letters<false>(text_, i); end == text_.size() || is_ascii(end))
      return end != i ? end : begin;
    auto after_both = begin;
    if (auto han = end_of_han(i); han != i)
      i = after_both = han;
    while (i < text_.size()) {
      auto c = at(i);
      if (!(c.kind & char_class::upper))
        break;
      i += c.bytes;
      if (c.kind & char_class::lower)
        after_both = i;
    }
    auto end = run_of(char_class::lower, i);
    return end != i ? end : after_both;
  }

  std::string_view text_;
};

} // namespace troupe::tokens
