#include "actors/tokenizer/split.hpp"

#include "actors/tokenizer/unicode_classes.hpp"

namespace troupe::tokens {

namespace {

using namespace char_class;

// The splitters follow their regular expression alternative by alternative; where the expression
// would backtrack, they say what the backtracking comes to.
class splitter {
public:
  explicit splitter(std::string_view text) noexcept : text_(text) {}

  std::size_t gpt2(std::size_t begin) const noexcept {
    if (auto end = contraction(begin, false); end != begin)
      return end;
    auto first = at(begin);
    auto body = text_[begin] == ' ' && begin + 1 < text_.size() ? begin + 1 : begin;
    auto kind = body == begin ? first.kind : at(body).kind;
    if (kind & letter)
      return run_of(letter, body);
    if (kind & number)
      return run_of(number, body);
    if (!(kind & space))
      return run_of_symbols(body);
    return spaces(begin);
  }

  std::size_t cl100k(std::size_t begin) const noexcept {
    if (auto end = contraction(begin, true); end != begin)
      return end;
    auto first = at(begin);
    if (first.kind & letter)
      return run_of(letter, begin);
    if (auto body = begin + first.bytes; may_lead_a_word(first) && body < text_.size())
      if (at(body).kind & letter)
        return run_of(letter, body);
    if (first.kind & number)
      return up_to_three_numbers(begin);
    if (auto end = symbols(begin); end != begin) {
      while (end < text_.size() && is_newline(text_[end]))
        ++end;
      return end;
    }
    return lines_or_spaces(begin);
  }

  std::size_t o200k(std::size_t begin) const noexcept {
    auto first = at(begin);
    if (auto end = cased_word(begin, first); end != begin)
      return contraction(end, true);
    if (first.kind & number)
      return up_to_three_numbers(begin);
    if (auto end = symbols(begin); end != begin) {
      while (end < text_.size() && (is_newline(text_[end]) || text_[end] == '/'))
        ++end;
      return end;
    }
    return lines_or_spaces(begin);
  }

private:
  static bool is_newline(char c) noexcept { return c == '\r' || c == '\n'; }

  static bool may_lead_a_word(character c) noexcept {
    return !(c.kind & (letter | number | newline));
  }

  character at(std::size_t i) const noexcept { return character_at(text_, i); }

  std::size_t run_of(std::uint8_t mask, std::size_t i) const noexcept {
    while (i < text_.size()) {
      auto c = at(i);
      if (!(c.kind & mask))
        break;
      i += c.bytes;
    }
    return i;
  }

  std::size_t run_of_symbols(std::size_t i) const noexcept {
    while (i < text_.size()) {
      auto c = at(i);
      if (c.kind & (space | letter | number))
        break;
      i += c.bytes;
    }
    return i;
  }

  // 's|'t|'re|'ve|'m|'ll|'d: where it ends, or `i` if it is not there. Without regard to case, 's
  // has a third form, with U+017F, the long s.
  std::size_t contraction(std::size_t i, bool any_case) const noexcept {
    if (i + 1 >= text_.size() || text_[i] != '\'')
      return i;
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

  std::size_t up_to_three_numbers(std::size_t i) const noexcept {
    for (int taken = 0; taken < 3 && i < text_.size(); ++taken) {
      auto c = at(i);
      if (!(c.kind & number))
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
      if (!(c.kind & space))
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
      if (!(c.kind & space))
        break;
      last = end;
      end += c.bytes;
      if (c.kind & newline)
        after_newline = end;
    }
    if (after_newline > begin)
      return after_newline;
    return end == text_.size() || last == begin ? end : last;
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
    auto end = run_of(upper, start);
    return end == start ? begin : end;
  }

  // [upper]*[lower]+, or `begin`. When no lower follows the run of uppers, the run gives back what
  // comes after its last character of both cases, and that character is the lower one.
  std::size_t upper_then_lower(std::size_t begin) const noexcept {
    auto i = begin;
    auto after_both = begin;
    while (i < text_.size()) {
      auto c = at(i);
      if (!(c.kind & upper))
        break;
      i += c.bytes;
      if (c.kind & lower)
        after_both = i;
    }
    auto end = run_of(lower, i);
    return end != i ? end : after_both;
  }

  std::string_view text_;
};

} // namespace

std::size_t piece_end(split_pattern pattern, std::string_view text, std::size_t begin) noexcept {
  splitter split{text};
  switch (pattern) {
    case split_pattern::gpt2:
      return split.gpt2(begin);
    case split_pattern::cl100k:
      return split.cl100k(begin);
    case split_pattern::o200k:
      return split.o200k(begin);
  }
  return text.size();
}

std::size_t first_invalid_utf8(std::string_view text) noexcept {
  std::size_t i = 0;
  while (i < text.size()) {
    auto c = character_at(text, i);
    if (c.bytes == 1 && static_cast<unsigned char>(text[i]) >= 0x80)
      return i;
    i += c.bytes;
  }
  return i;
}

} // namespace troupe::tokens
