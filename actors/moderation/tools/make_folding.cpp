// Writes the tables of folding.hpp as C++: width, case, look-alikes and readings from ICU,
// traditional to simplified characters from OpenCC. Run by the build.
#include "actors/moderation/folding.hpp"

#include <opencc/opencc.h>
#include <unicode/normalizer2.h>
#include <unicode/translit.h>
#include <unicode/uchar.h>
#include <unicode/unistr.h>
#include <unicode/uscript.h>
#include <unicode/uspoof.h>

#include <cstdio>
#include <fstream>
#include <functional>
#include <map>
#include <memory>
#include <stdexcept>
#include <string>
#include <vector>

namespace {

using troupe::moderation::tables::pair;
using troupe::moderation::tables::pinyin_first;
using troupe::moderation::tables::pinyin_last;

void check(UErrorCode status, const char* what) {
  if (U_FAILURE(status))
    throw std::runtime_error(std::string{what} + ": " + u_errorName(status));
}

/// The only code point of a text, or `otherwise`.
UChar32 only(const icu::UnicodeString& text, UChar32 otherwise) {
  return text.countChar32() == 1 ? text.char32At(0) : otherwise;
}

bool is_han(UChar32 c) { return u_hasBinaryProperty(c, UCHAR_IDEOGRAPHIC) != 0; }

bool is_counted(UChar32 c) { // symbols are not seen as letters
  return (U_MASK(u_charType(c)) & (U_GC_L_MASK | U_GC_N_MASK | U_GC_SO_MASK)) != 0;
}

/// NFKC, where it is one character: full width, circled, mathematical and compatibility forms.
UChar32 width_of(UChar32 c) {
  UErrorCode status = U_ZERO_ERROR;
  static const auto* nfkc = icu::Normalizer2::getNFKCInstance(status);
  check(status, "NFKC");
  return only(nfkc->normalize(icu::UnicodeString{c}, status), c);
}

/// What ICU's spoof checker takes it for, if that is one character of another look.
UChar32 look_of(UChar32 c) {
  UErrorCode status = U_ZERO_ERROR;
  static auto* checker = uspoof_open(&status);
  static const auto* nfd = icu::Normalizer2::getNFDInstance(status);
  check(status, "spoof checker");
  if (c < 0x80 || !is_counted(c))
    return c;
  // An accent is no other letter to those who look.
  auto parts = nfd->normalize(icu::UnicodeString{c}, status);
  auto base = parts.char32At(0);
  for (auto i = parts.moveIndex32(0, 1); i < parts.length(); i = parts.moveIndex32(i, 1))
    if (!(U_MASK(u_charType(parts.char32At(i))) & U_GC_M_MASK))
      base = c;
  if (base != c && (base < 0x80 || !u_isalpha(base)))
    return u_isalpha(base) ? base : c;
  icu::UnicodeString skeleton;
  uspoof_getSkeletonUnicodeString(checker, 0, icu::UnicodeString{base}, skeleton, &status);
  check(status, "skeleton");
  auto look = only(skeleton, base);
  // The checker has one form for l, I and 1: a capital is an I.
  if (look == 'l' && u_isupper(base))
    look = 'I';
  if (is_han(c) && !is_han(look))
    return c;
  return is_counted(look) ? look : base;
}

UChar32 case_of(UChar32 c) { return u_foldCase(c, U_FOLD_CASE_DEFAULT); }

UChar32 simplified(UChar32 c) {
  static auto* converter = opencc_open("t2s.json");
  if (converter == reinterpret_cast<opencc_t>(-1))
    throw std::runtime_error("OpenCC's t2s.json cannot be opened: run scripts/setup");
  if (!is_han(c))
    return c;
  std::string text;
  icu::UnicodeString{c}.toUTF8String(text);
  auto* made = opencc_convert_utf8(converter, text.data(), text.size());
  if (made == nullptr)
    throw std::runtime_error(std::string{"OpenCC: "} + opencc_error());
  auto result = only(icu::UnicodeString::fromUTF8(made), c);
  opencc_convert_utf8_free(made);
  return result;
}

void write_pairs(std::ostream& out, const char* name, const std::function<UChar32(UChar32)>& of) {
  out << "const pair " << name << "_pairs[] = {\n";
  for (UChar32 c = 0; c < 0x110000; ++c) {
    if (U_IS_SURROGATE(c) || !u_isdefined(c))
      continue;
    if (auto to = of(c); to != c)
      out << "{" << c << "," << to << "},\n";
  }
  out << "};\nconst std::span<const pair> " << name << "{" << name << "_pairs};\n";
}

void write_pinyin(std::ostream& out) {
  UErrorCode status = U_ZERO_ERROR;
  std::unique_ptr<icu::Transliterator> latin{icu::Transliterator::createInstance(
      "Han-Latin; NFD; [:M:] Remove; Lower", UTRANS_FORWARD, status)};
  check(status, "Han-Latin");
  std::map<std::string, std::size_t> numbers{{"", 0}};
  std::vector<std::string> syllables{""};
  std::vector<std::size_t> of;
  for (auto c = pinyin_first; c <= pinyin_last; ++c) {
    icu::UnicodeString text{static_cast<UChar32>(c)};
    latin->transliterate(text);
    std::string reading;
    text.trim().toUTF8String(reading);
    if (reading.find_first_not_of("abcdefghijklmnopqrstuvwxyz") != reading.npos)
      reading.clear();
    auto [at, fresh] = numbers.try_emplace(reading, syllables.size());
    if (fresh)
      syllables.push_back(reading);
    of.push_back(at->second);
  }
  out << "const char* const syllables[] = {\n";
  for (const auto& one : syllables)
    out << '"' << one << "\",\n";
  out << "};\nconst std::uint16_t syllable_of[pinyin_last - pinyin_first + 1] = {\n";
  for (std::size_t i = 0; i < of.size(); ++i)
    out << of[i] << (i % 24 == 23 ? ",\n" : ",");
  out << "};\n";
}

} // namespace

int main(int argc, char** argv) {
  if (argc != 2) {
    std::fputs("usage: make_folding OUT.cpp\n", stderr);
    return 2;
  }
  try {
    std::ofstream out{argv[1]};
    out << "// Generated by make_folding. Do not edit.\n"
           "#include \"actors/moderation/folding.hpp\"\n\n"
           "namespace troupe::moderation::tables {\n";
    write_pairs(out, "width", width_of);
    write_pairs(out, "look_alikes", look_of);
    write_pairs(out, "letter_case", case_of);
    write_pairs(out, "script", simplified);
    write_pinyin(out);
    out << "} // namespace troupe::moderation::tables\n";
    if (!out.flush())
      throw std::runtime_error(std::string{"cannot write "} + argv[1]);
  } catch (const std::exception& e) {
    std::fprintf(stderr, "make_folding: %s\n", e.what());
    return 1;
  }
  return 0;
}
