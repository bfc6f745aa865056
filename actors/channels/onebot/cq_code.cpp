// The string form of messages: [CQ:type,name=value,...] between texts.
#include "actors/channels/onebot/protocol.hpp"

#include <array>

namespace troupe::onebot11 {

namespace {

constexpr std::array<std::pair<std::string_view, char>, 4> entities{
    {{"&amp;", '&'}, {"&#91;", '['}, {"&#93;", ']'}, {"&#44;", ','}}};

std::string escape(std::string_view text, bool comma) {
  std::string out;
  out.reserve(text.size());
  for (char c : text) {
    auto it = std::find_if(entities.begin(), entities.end(),
                           [c](const auto& entity) { return entity.second == c; });
    if (it == entities.end() || (c == ',' && !comma))
      out += c;
    else
      out += it->first;
  }
  return out;
}

void add_text(segments& message, std::string text) {
  if (text.empty())
    return;
  if (!message.empty() && message.back().type == "text")
    message.back().data["text"] += text;
  else
    message.push_back({"text", {{"text", std::move(text)}}});
}

bool is_type(std::string_view name) {
  return !name.empty() && std::all_of(name.begin(), name.end(), [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-'
           || c == '_' || c == '.';
  });
}

// `inside` is what stands between "[CQ:" and "]". False if it is no code.
bool parse_code(std::string_view inside, segment& result) {
  auto comma = inside.find(',');
  auto type = inside.substr(0, comma);
  if (!is_type(type) || inside.find('[') != std::string_view::npos)
    return false;
  result.type = type;
  while (comma != std::string_view::npos) {
    inside.remove_prefix(comma + 1);
    comma = inside.find(',');
    auto field = inside.substr(0, comma);
    auto equals = field.find('=');
    if (equals == std::string_view::npos || equals == 0)
      continue;
    result.data.emplace(unescape(field.substr(0, equals)), unescape(field.substr(equals + 1)));
  }
  return true;
}

} // namespace

std::string escape_text(std::string_view text) { return escape(text, false); }

std::string escape_value(std::string_view text) { return escape(text, true); }

std::string unescape(std::string_view text) {
  std::string out;
  out.reserve(text.size());
  while (!text.empty()) {
    auto it = text[0] != '&' ? entities.end()
                             : std::find_if(entities.begin(), entities.end(), [&](const auto& e) {
                                 return text.starts_with(e.first);
                               });
    if (it != entities.end()) {
      out += it->second;
      text.remove_prefix(it->first.size());
    } else {
      out += text[0];
      text.remove_prefix(1);
    }
  }
  return out;
}

segments parse_cq(std::string_view text) {
  constexpr std::string_view opening = "[CQ:";
  segments message;
  std::size_t plain = 0; // where the text not yet added begins
  for (std::size_t at = 0; (at = text.find(opening, at)) != std::string_view::npos;) {
    auto begin = at + opening.size();
    auto end = text.find(']', begin);
    segment code;
    if (message.size() + 2 > segments_max || end == std::string_view::npos)
      break;
    if (!parse_code(text.substr(begin, end - begin), code)) {
      at = begin;
      continue;
    }
    add_text(message, unescape(text.substr(plain, at - plain)));
    if (code.type == "text")
      add_text(message, std::string{code.field("text")});
    else
      message.push_back(std::move(code));
    at = plain = end + 1;
  }
  add_text(message, unescape(text.substr(plain)));
  return message;
}

std::string to_cq(const segments& message) {
  std::string out;
  for (const auto& s : message) {
    if (s.type == "text") {
      out += escape_text(s.field("text"));
      continue;
    }
    out += "[CQ:" + s.type;
    for (const auto& [name, value] : s.data)
      out += "," + escape_value(name) + "=" + escape_value(value);
    out += "]";
  }
  return out;
}

} // namespace troupe::onebot11
