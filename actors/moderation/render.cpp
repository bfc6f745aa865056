#include "actors/moderation/render.hpp"

#include <algorithm>

namespace troupe::moderation {

void renderer::pass(std::uint64_t end, std::string_view text, std::uint64_t base,
                    std::string& out) {
  if (end <= written_)
    return;
  out.append(text.substr(static_cast<std::size_t>(written_ - base),
                         static_cast<std::size_t>(end - written_)));
  written_ = end;
}

void renderer::write(const hit& one, std::string_view replacement, std::string_view text,
                     std::uint64_t base, std::string& out) {
  if (one.act < action::mask || one.end <= written_)
    return;
  pass(one.begin, text, base, out);
  auto whole = written_ == one.begin;
  if (one.act == action::replace && whole) {
    out.append(replacement);
  } else if (one.act != action::replace) {
    auto part = text.substr(static_cast<std::size_t>(written_ - base),
                            static_cast<std::size_t>(one.end - written_));
    for (std::size_t at = 0; at < part.size(); at += character_at(part, at).bytes)
      out += '*';
  }
  written_ = one.end;
}

std::string rendered(const matcher& words, std::string_view text, const std::vector<hit>& hits) {
  renderer writer;
  std::string out;
  for (const auto& one : hits)
    writer.write(one, words.replacement(one.entry), text, 0, out);
  writer.pass(text.size(), text, 0, out);
  return out;
}

} // namespace troupe::moderation
