// Writes the class table of unicode_classes.hpp as C++, from ICU. Run by the build.
#include "actors/tokenizer/unicode_classes.hpp"

#include <unicode/uchar.h>

#include <algorithm>
#include <array>
#include <cstdio>
#include <fstream>
#include <map>
#include <string>
#include <vector>

namespace {

using namespace troupe::tokens;

constexpr std::uint8_t upper_letter = char_class::upper | char_class::letter;
constexpr std::uint8_t lower_letter = char_class::lower | char_class::letter;
constexpr std::uint8_t other_letter = upper_letter | lower_letter;
constexpr std::uint8_t mark = char_class::upper | char_class::lower;

struct range {
  std::uint32_t first, last;
  std::uint8_t kind;
};

// The vocabularies' own tokenizer classes by Unicode 16.0. Debian's ICU knows 15.0, others more:
// what is older than 15.1 comes from ICU, and this is what 15.1 and 16.0 added.
const range added_since_15_0[] = {
    {0x0897, 0x0897, mark},
    {0x1c89, 0x1c89, upper_letter},
    {0x1c8a, 0x1c8a, lower_letter},
    {0xa7cb, 0xa7cc, upper_letter},
    {0xa7cd, 0xa7cd, lower_letter},
    {0xa7da, 0xa7da, upper_letter},
    {0xa7db, 0xa7db, lower_letter},
    {0xa7dc, 0xa7dc, upper_letter},
    {0x105c0, 0x105f3, other_letter},
    {0x10d40, 0x10d49, char_class::number},
    {0x10d4a, 0x10d4f, other_letter},
    {0x10d50, 0x10d65, upper_letter},
    {0x10d69, 0x10d6d, mark},
    {0x10d6f, 0x10d6f, other_letter},
    {0x10d70, 0x10d85, lower_letter},
    {0x10ec2, 0x10ec4, other_letter},
    {0x10efc, 0x10efc, mark},
    {0x11380, 0x11389, other_letter},
    {0x1138b, 0x1138b, other_letter},
    {0x1138e, 0x1138e, other_letter},
    {0x11390, 0x113b5, other_letter},
    {0x113b7, 0x113b7, other_letter},
    {0x113b8, 0x113c0, mark},
    {0x113c2, 0x113c2, mark},
    {0x113c5, 0x113c5, mark},
    {0x113c7, 0x113ca, mark},
    {0x113cc, 0x113d0, mark},
    {0x113d1, 0x113d1, other_letter},
    {0x113d2, 0x113d2, mark},
    {0x113d3, 0x113d3, other_letter},
    {0x113e1, 0x113e2, mark},
    {0x116d0, 0x116e3, char_class::number},
    {0x11bc0, 0x11be0, other_letter},
    {0x11bf0, 0x11bf9, char_class::number},
    {0x11f5a, 0x11f5a, mark},
    {0x13460, 0x143fa, other_letter},
    {0x16100, 0x1611d, other_letter},
    {0x1611e, 0x1612f, mark},
    {0x16130, 0x16139, char_class::number},
    {0x16d40, 0x16d6c, other_letter},
    {0x16d70, 0x16d79, char_class::number},
    {0x18cff, 0x18cff, other_letter},
    {0x1ccf0, 0x1ccf9, char_class::number},
    {0x1e5d0, 0x1e5ed, other_letter},
    {0x1e5ee, 0x1e5ef, mark},
    {0x1e5f0, 0x1e5f0, other_letter},
    {0x1e5f1, 0x1e5fa, char_class::number},
    {0x2ebf0, 0x2ee5d, other_letter},
};

bool newer_than_15_0(UChar32 code_point) {
  UVersionInfo age;
  u_charAge(code_point, age);
  return age[0] > 15 || (age[0] == 15 && age[1] > 0);
}

bool is_cjk(UChar32 c) { return (c >= 0x4e00 && c <= 0x9fa5) || (c >= 0x3040 && c <= 0x30ff); }

std::uint8_t category_of(UChar32 code_point) {
  if (code_point == '\r' || code_point == '\n')
    return char_class::space | char_class::newline;
  if (u_isUWhiteSpace(code_point))
    return char_class::space;
  if (newer_than_15_0(code_point))
    return 0;
  auto in = [category = U_MASK(u_charType(code_point))](std::uint32_t mask) {
    return (category & mask) != 0;
  };
  if (in(U_GC_LU_MASK | U_GC_LT_MASK))
    return upper_letter;
  if (in(U_GC_LL_MASK))
    return lower_letter;
  if (in(U_GC_LM_MASK | U_GC_LO_MASK))
    return other_letter;
  if (in(U_GC_M_MASK))
    return mark;
  if (in(U_GC_P_MASK | U_GC_S_MASK))
    return char_class::symbol;
  return in(U_GC_N_MASK) ? char_class::number : 0;
}

std::uint8_t classify(UChar32 code_point) {
  return category_of(code_point) | (is_cjk(code_point) ? char_class::cjk : 0);
}

std::vector<std::uint8_t> all_classes() {
  std::vector<std::uint8_t> classes(0x110000);
  for (UChar32 c = 0; c < 0x110000; ++c)
    classes[static_cast<std::size_t>(c)] = classify(c);
  for (const auto& added : added_since_15_0)
    for (auto c = added.first; c <= added.last; ++c)
      classes[c] = added.kind;
  return classes;
}

void write_bytes(std::ostream& out, const std::uint8_t* bytes, std::size_t count) {
  for (std::size_t i = 0; i < count; ++i)
    out << static_cast<int>(bytes[i]) << (i % 32 == 31 ? ",\n" : ",");
}

} // namespace

int main(int argc, char** argv) {
  if (argc != 2) {
    std::fputs("usage: make_unicode_classes OUT.cpp\n", stderr);
    return 2;
  }
  auto classes = all_classes();
  using block = std::array<std::uint8_t, 256>;
  std::map<block, std::uint8_t> numbers;
  std::vector<block> blocks;
  std::vector<std::uint8_t> block_of;
  for (std::size_t start = 0; start < classes.size(); start += 256) {
    block here;
    std::copy_n(classes.begin() + static_cast<std::ptrdiff_t>(start), 256, here.begin());
    auto [at, fresh] = numbers.try_emplace(here, static_cast<std::uint8_t>(blocks.size()));
    if (fresh)
      blocks.push_back(here);
    if (blocks.size() > 256) {
      std::fputs("make_unicode_classes: more than 256 different blocks\n", stderr);
      return 1;
    }
    block_of.push_back(at->second);
  }
  std::ofstream out{argv[1]};
  out << "// Generated by make_unicode_classes. Do not edit.\n"
         "#include \"actors/tokenizer/unicode_classes.hpp\"\n\n"
         "namespace troupe::tokens {\n"
         "const std::uint8_t unicode_block_of[0x1100] = {\n";
  write_bytes(out, block_of.data(), block_of.size());
  out << "};\nconst std::uint8_t unicode_blocks[][256] = {\n";
  for (const auto& one : blocks) {
    out << "{";
    write_bytes(out, one.data(), one.size());
    out << "},\n";
  }
  out << "};\n} // namespace troupe::tokens\n";
  return out.flush() ? 0 : 1;
}
