#include "actors/moderation/folding.hpp"

#include "actors/tokenizer/unicode_classes.hpp"

#include <algorithm>
#include <array>
#include <mutex>

namespace troupe::moderation {

namespace {

struct stage {
  fold which;
  const std::span<const tables::pair>& pairs;
};

const std::array<stage, 4>& stages() noexcept {
  static const std::array<stage, 4> all{{{fold::width, tables::width},
                                         {fold::look_alikes, tables::look_alikes},
                                         {fold::letter_case, tables::letter_case},
                                         {fold::script, tables::script}}};
  return all;
}

char32_t through(char32_t code_point, std::span<const tables::pair> pairs) noexcept {
  auto at = std::lower_bound(pairs.begin(), pairs.end(), code_point,
                             [](const tables::pair& one, char32_t c) { return one.from < c; });
  return at != pairs.end() && at->from == code_point ? at->to : code_point;
}

} // namespace

std::string_view name_of(fold one) noexcept {
  switch (one) {
    case fold::width:
      return "width";
    case fold::look_alikes:
      return "look_alikes";
    case fold::letter_case:
      return "letter_case";
    case fold::script:
      return "script";
    case fold::symbols:
      return "symbols";
    case fold::repeats:
      return "repeats";
    case fold::pinyin:
      return "pinyin";
  }
  return "";
}

void append_utf8(std::string& out, char32_t code) {
  auto tail = [&](unsigned shift) { out += static_cast<char>(0x80 | (code >> shift & 0x3f)); };
  if (code < 0x80) {
    out += static_cast<char>(code);
  } else if (code < 0x800) {
    out += static_cast<char>(0xc0 | code >> 6);
    tail(0);
  } else if (code < 0x10000) {
    out += static_cast<char>(0xe0 | code >> 12);
    tail(6);
    tail(0);
  } else if (code < 0x110000) {
    out += static_cast<char>(0xf0 | code >> 18);
    tail(12);
    tail(6);
    tail(0);
  }
}

character_kind kind_of(char32_t code_point) noexcept {
  namespace classes = tokens::char_class;
  if (code_point >= 0x110000)
    return character_kind::other;
  auto bits = tokens::class_of(code_point);
  if (bits & (classes::letter | classes::number))
    return character_kind::other;
  return bits & classes::space ? character_kind::space : character_kind::symbol;
}

char32_t folded(char32_t code_point, fold_set folds) noexcept {
  for (const auto& [which, pairs] : stages())
    if (folds.has(which))
      code_point = through(code_point, pairs);
  return code_point;
}

const std::vector<char32_t>& folded_basic_plane(fold_set folds) {
  constexpr unsigned sets = 16; // of the four folds from character to character
  static std::array<std::vector<char32_t>, sets> tables;
  static std::array<std::once_flag, sets> made;
  auto set = folds.bits() % sets;
  std::call_once(made[set], [&] {
    auto& table = tables[set];
    table.resize(0x10000);
    for (char32_t c = 0; c < 0x10000; ++c)
      table[c] = folded(c, folds);
  });
  return tables[set];
}

fold_set folds_between(char32_t a, char32_t b, fold_set folds) noexcept {
  fold_set used;
  for (const auto& [which, pairs] : stages()) {
    if (a == b)
      return used;
    if (!folds.has(which))
      continue;
    auto a_then = through(a, pairs), b_then = through(b, pairs);
    if (a_then != a || b_then != b)
      used.add(which);
    a = a_then;
    b = b_then;
  }
  return a == b ? used : fold_set::none();
}

std::string_view pinyin_of(char32_t code_point) noexcept {
  if (code_point < tables::pinyin_first || code_point > tables::pinyin_last)
    return {};
  return tables::syllables[tables::syllable_of[code_point - tables::pinyin_first]];
}

} // namespace troupe::moderation
