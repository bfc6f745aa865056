#include "gateway/server/url.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cctype>
#include <cstdint>

namespace troupe::gateway {

namespace {

int hex_value(char c) {
  if (c >= '0' && c <= '9')
    return c - '0';
  if (c >= 'a' && c <= 'f')
    return c - 'a' + 10;
  if (c >= 'A' && c <= 'F')
    return c - 'A' + 10;
  return -1;
}

// The length of the well-formed character at the front, or 0.
std::size_t utf8_length(std::string_view text) noexcept {
  auto at = [&](std::size_t i) { return static_cast<unsigned char>(text[i]); };
  auto first = at(0);
  if (first < 0x80)
    return 1;
  std::size_t length = first >= 0xf0 ? 4 : first >= 0xe0 ? 3 : 2;
  if (first < 0xc2 || first > 0xf4 || text.size() < length)
    return 0;
  for (std::size_t i = 1; i < length; ++i)
    if ((at(i) & 0xc0) != 0x80)
      return 0;
  // Overlong forms, surrogates, and what lies beyond U+10FFFF.
  if ((first == 0xe0 && at(1) < 0xa0) || (first == 0xed && at(1) > 0x9f)
      || (first == 0xf0 && at(1) < 0x90) || (first == 0xf4 && at(1) > 0x8f))
    return 0;
  return length;
}

std::string decode_query_text(std::string_view text) {
  std::string bytes;
  bytes.reserve(text.size());
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '+') {
      bytes += ' ';
    } else if (text[i] == '%' && i + 2 < text.size() && hex_value(text[i + 1]) >= 0
               && hex_value(text[i + 2]) >= 0) {
      bytes += static_cast<char>(hex_value(text[i + 1]) * 16 + hex_value(text[i + 2]));
      i += 2;
    } else {
      bytes += text[i];
    }
  }
  if (is_utf8(bytes))
    return bytes;
  std::string clean;
  for (std::string_view rest = bytes; !rest.empty();) {
    auto length = utf8_length(rest);
    if (length == 0)
      clean += "\xef\xbf\xbd";
    else
      clean += rest.substr(0, length);
    rest.remove_prefix(length == 0 ? 1 : length);
  }
  return clean;
}

bool is_clean_segment(std::string_view segment) {
  if (segment.find('%') == std::string_view::npos)
    return segment != "." && segment != "..";
  auto decoded = percent_decode(segment);
  if (!decoded || *decoded == "." || *decoded == ".." || !is_utf8(*decoded))
    return false;
  for (unsigned char c : *decoded)
    if (c < 0x20 || c == 0x7f)
      return false;
  return true;
}

} // namespace

std::string percent_encode(std::string_view text) {
  std::string out;
  for (unsigned char c : text) {
    if (std::isalnum(c) != 0 || c == '-' || c == '.' || c == '_' || c == '~')
      out += static_cast<char>(c);
    else
      out += fmt::format("%{:02X}", c);
  }
  return out;
}

std::optional<std::string> percent_decode(std::string_view text) {
  auto first = std::min(text.find('%'), text.size());
  std::string out{text.substr(0, first)};
  out.reserve(text.size());
  for (auto i = first; i < text.size(); ++i) {
    if (text[i] != '%') {
      out += text[i];
      continue;
    }
    if (i + 2 >= text.size())
      return std::nullopt;
    auto high = hex_value(text[i + 1]);
    auto low = hex_value(text[i + 2]);
    if (high < 0 || low < 0)
      return std::nullopt;
    out += static_cast<char>(high * 16 + low);
    i += 2;
  }
  return out;
}

bool is_utf8(std::string_view text) noexcept {
  while (!text.empty()) {
    auto length = utf8_length(text);
    if (length == 0)
      return false;
    text.remove_prefix(length);
  }
  return true;
}

bool is_clean_path(std::string_view path) {
  if (!path.starts_with('/'))
    return false;
  while (!path.empty()) {
    path.remove_prefix(1);
    auto end = std::min(path.find('/'), path.size());
    if (!is_clean_segment(path.substr(0, end)))
      return false;
    path.remove_prefix(end);
  }
  return true;
}

std::vector<std::pair<std::string, std::string>> parse_query(std::string_view query) {
  std::vector<std::pair<std::string, std::string>> out;
  while (!query.empty()) {
    auto end = std::min(query.find('&'), query.size());
    auto pair = query.substr(0, end);
    query.remove_prefix(std::min(end + 1, query.size()));
    if (pair.empty())
      continue;
    auto equals = std::min(pair.find('='), pair.size());
    out.emplace_back(decode_query_text(pair.substr(0, equals)),
                     decode_query_text(pair.substr(std::min(equals + 1, pair.size()))));
  }
  return out;
}

} // namespace troupe::gateway
