#include "actors/channels/core/text.hpp"

#include <unicode/utf8.h>

namespace troupe::channels {

std::string valid_utf8(std::string_view text) {
  std::string out;
  out.reserve(text.size());
  const auto* bytes = reinterpret_cast<const std::uint8_t*>(text.data());
  auto size = static_cast<std::int64_t>(text.size());
  for (std::int64_t i = 0; i < size;) {
    auto start = i;
    UChar32 c = 0;
    U8_NEXT(bytes, i, size, c);
    if (c < 0)
      out += "\xEF\xBF\xBD";
    else
      out.append(text.substr(static_cast<std::size_t>(start), static_cast<std::size_t>(i - start)));
  }
  return out;
}

std::size_t code_points(std::string_view text) noexcept {
  return static_cast<std::size_t>(
      std::count_if(text.begin(), text.end(), [](char c) { return (c & 0xC0) != 0x80; }));
}

std::string_view trimmed(std::string_view text) noexcept {
  constexpr std::string_view ideographic_space = "\xE3\x80\x80";
  constexpr std::string_view ascii_space = " \t\r\n\v\f";
  for (;;) {
    auto before = text.size();
    if (auto at = text.find_first_not_of(ascii_space); at != std::string_view::npos)
      text.remove_prefix(at);
    else
      return {};
    text = text.substr(0, text.find_last_not_of(ascii_space) + 1);
    if (text.starts_with(ideographic_space))
      text.remove_prefix(ideographic_space.size());
    if (text.ends_with(ideographic_space))
      text.remove_suffix(ideographic_space.size());
    if (text.size() == before)
      return text;
  }
}

std::string clipped(std::string_view text, std::size_t code_points_max) {
  std::size_t count = 0;
  std::size_t end = 0;
  for (std::size_t i = 0; i < text.size(); ++i) {
    if ((text[i] & 0xC0) == 0x80)
      continue;
    if (count + 1 == code_points_max)
      end = i;
    if (++count > code_points_max)
      return std::string{text.substr(0, end)} + "…";
  }
  return std::string{text};
}

namespace {

// A link on a line of its own, after what was said before it.
void add_link(std::string& out, std::string_view label, const std::string& url) {
  if (!out.empty() && out.back() != '\n')
    out += '\n';
  out += url.empty() ? fmt::format("[{}]", label) : url;
}

} // namespace

std::string plain_text(const part_list& parts) {
  std::string out;
  for (const auto& part : parts) {
    switch (part.kind_case()) {
      case v1::Part::kText:
        if (!out.empty() && out.back() != '\n' && !part.text().text().empty())
          out += '\n';
        out += part.text().text();
        break;
      case v1::Part::kImage:
        add_link(out, "image", part.image().url());
        break;
      case v1::Part::kAudio:
        add_link(out, "audio", part.audio().url());
        break;
      case v1::Part::kFile:
        add_link(out, part.file().name().empty() ? "file" : part.file().name(), part.file().url());
        break;
      default:
        break;
    }
  }
  return valid_utf8(out);
}

void add_text(part_list& parts, std::string text) {
  if (!text.empty())
    parts.Add()->mutable_text()->set_text(std::move(text));
}

} // namespace troupe::channels
