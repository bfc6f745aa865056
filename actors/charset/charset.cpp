#include "actors/charset/charset.hpp"

#include <algorithm>
#include <array>
#include <utility>

namespace troupe::charset {

namespace {

constexpr std::array<charset, 14> known{{
    {"utf-8", "UTF-8", true},
    {"utf-16le", "UTF-16LE", true},
    {"utf-16be", "UTF-16BE", true},
    {"utf-32le", "UTF-32LE", true},
    {"utf-32be", "UTF-32BE", true},
    {"gb18030", "gb18030", true},
    {"gbk", "windows-936-2000", false},
    {"big5", "windows-950-2000", false},
    {"big5-hkscs", "ibm-1375_P100-2008", false},
    {"shift_jis", "ibm-943_P15A-2003", false},
    {"euc-jp", "euc-jp-2007", false},
    {"euc-kr", "windows-949-2000", false},
    {"iso-8859-1", "ISO-8859-1", false},
    {"windows-1252", "ibm-5348_P100-1997", false},
}};

// Both without `-` and `_`. UTF-16 and UTF-32 without an order are little-endian, as is usual.
constexpr std::pair<std::string_view, std::string_view> other_names[] = {
    {"unicode11utf8", "utf-8"}, {"utf16", "utf-16le"},       {"ucs2", "utf-16le"},
    {"utf32", "utf-32le"},      {"ucs4", "utf-32le"},        {"gb2312", "gbk"},
    {"cp936", "gbk"},           {"windows936", "gbk"},       {"ms936", "gbk"},
    {"euccn", "gbk"},           {"cp54936", "gb18030"},      {"cp950", "big5"},
    {"windows950", "big5"},     {"bigfive", "big5"},         {"sjis", "shift_jis"},
    {"cp932", "shift_jis"},     {"windows31j", "shift_jis"}, {"mskanji", "shift_jis"},
    {"cp949", "euc-kr"},        {"windows949", "euc-kr"},    {"uhc", "euc-kr"},
    {"ksc56011987", "euc-kr"},  {"latin1", "iso-8859-1"},    {"l1", "iso-8859-1"},
    {"usascii", "iso-8859-1"},  {"ascii", "iso-8859-1"},     {"cp1252", "windows-1252"},
};

constexpr std::size_t name_bytes_max = 32;

std::string plain(std::string_view name) {
  std::string result;
  for (auto c : name.substr(0, name_bytes_max))
    if (c != '-' && c != '_')
      result += c >= 'A' && c <= 'Z' ? static_cast<char>(c + ('a' - 'A')) : c;
  return result;
}

const charset* find_plain(std::string_view name) noexcept {
  auto found = std::find_if(known.begin(), known.end(),
                            [&](const charset& c) { return plain(c.name) == name; });
  return found == known.end() ? nullptr : &*found;
}

} // namespace

std::span<const charset> charsets() noexcept { return known; }

const charset* find_charset(std::string_view name) noexcept {
  if (name.size() > name_bytes_max)
    return nullptr;
  auto wanted = plain(name);
  if (const auto* found = find_plain(wanted))
    return found;
  for (auto [other, meant] : other_names)
    if (other == wanted)
      return find_plain(plain(meant));
  return nullptr;
}

} // namespace troupe::charset
