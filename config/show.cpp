#include "config/show.hpp"

#include "config/forms.hpp"

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include <algorithm>
#include <cctype>

namespace troupe::config {

namespace {

constexpr std::string_view hidden = "***";

std::string quoted(const std::string& text) {
  return nlohmann::json(text).dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
}

/// As YAML: plain where that is plainly safe, else in double quotes.
std::string scalar(const std::string& text) {
  auto is_word = [](unsigned char c) { return std::isalnum(c) != 0 || c == '_' || c == '/'; };
  auto is_safe = [&](unsigned char c) { return is_word(c) || c == '.' || c == ':' || c == '-'; };
  auto is_plain = !text.empty() && (is_word(static_cast<unsigned char>(text.front())))
                  && text.back() != ':' && std::all_of(text.begin(), text.end(), is_safe)
                  && !std::all_of(text.begin(), text.end(),
                                  [](unsigned char c) { return std::isdigit(c) != 0 || c == '.'; });
  for (auto word : {"true", "false", "null", "yes", "no", "on", "off"})
    is_plain = is_plain && text != word;
  return is_plain ? text : quoted(text);
}

struct yaml_text {
  secrecy secret;
  std::string operator()(bool b) const { return b ? "true" : "false"; }
  std::string operator()(std::int64_t n) const { return std::to_string(n); }
  std::string operator()(const std::string& s) const { return scalar(redacted(secret, s)); }
  std::string operator()(const std::vector<std::string>& list) const {
    std::string out;
    for (const auto& item : list)
      out += (out.empty() ? "" : ", ") + scalar(item);
    return "[" + out + "]";
  }
  std::string operator()(const std::map<std::string, std::string>& map) const {
    std::string out;
    for (const auto& [key, text] : map)
      out += fmt::format("{}{}: {}", out.empty() ? "" : ", ", scalar(key), scalar(text));
    return "{" + out + "}";
  }
};

std::string value_text(const key_info& key, const node_config& config, std::size_t index) {
  return std::visit(yaml_text{key.secret}, read(key, config, index));
}

/// The section's first item as it is by default.
node_config defaults() {
  node_config result;
  for (const auto& s : sections())
    if (s.list)
      s.resize(result, 1);
  return result;
}

/// Where a section stands: `channels:` opens above its first.
struct layout {
  std::string group; // open now
  std::string out;

  /// Opens the section's groups; returns its own name's indentation.
  std::string open(const section_info& s, std::string_view& name) {
    name = s.path;
    auto dot = s.path.find('.');
    if (dot == std::string_view::npos) {
      group.clear();
      return "";
    }
    name.remove_prefix(dot + 1);
    if (auto wanted = s.path.substr(0, dot); group != wanted) {
      group = wanted;
      out += group + ":\n";
    }
    return "  ";
  }
};

std::string origin_of(const origins& where, const std::string& path) {
  auto i = where.find(path);
  return i == where.end() ? "default" : i->second;
}

/// A comment of whole words, in lines of at most 96 columns.
void add_comment(std::string& out, std::string_view lead, std::string_view text) {
  constexpr std::size_t columns = 96;
  while (!text.empty()) {
    auto room = columns - lead.size();
    auto length = text.size();
    if (length > room)
      length = std::min(text.rfind(' ', room), text.size());
    out += fmt::format("{}{}\n", lead, text.substr(0, length));
    text.remove_prefix(std::min(length + 1, text.size()));
  }
}

/// A list's example is commented out as a whole: without the first # of each line it is YAML.
void sample_keys(std::string& out, const section_info& s, std::string_view indent,
                 const node_config& config) {
  auto lead = fmt::format("{}{}  ", s.list ? "#" : "", indent);
  auto bullet = s.list ? "- " : "";
  for (const auto& key : s.keys) {
    auto limit = limits(key);
    add_comment(out, lead + (s.list ? "  # " : "# "),
                limit.empty() ? std::string{key.doc} : fmt::format("{} ({})", key.doc, limit));
    auto text = key.example.empty() || !s.list ? value_text(key, config, 0)
                                               : scalar(std::string{key.example});
    out += fmt::format("{}{}{}: {}\n", lead, bullet, key.name, text);
    if (s.list)
      bullet = "  ";
  }
}

std::string environment_name(const section_info& s, const key_info& key) {
  std::string out = "TROUPE_";
  for (auto c : key_path(s, 0, key)) {
    if (c == '.')
      out += "__";
    else
      out += static_cast<char>(std::toupper(static_cast<unsigned char>(c)));
  }
  return out;
}

std::string table_path(const section_info& s, const key_info& key) {
  return fmt::format("{}{}.{}", s.path, s.list ? "[]" : "", key.name);
}

} // namespace

std::string redacted(secrecy secret, const std::string& text) {
  if (secret == secrecy::open || text.empty())
    return text;
  if (secret == secrecy::whole)
    return std::string{hidden};
  auto at = text.rfind('@');
  auto scheme = text.find("://");
  if (text.find("password") != std::string::npos || text.find("secret") != std::string::npos)
    return std::string{hidden};
  if (at == std::string::npos)
    return text;
  if (scheme == std::string::npos || scheme > at)
    return std::string{hidden};
  return fmt::format("{}://{}{}", text.substr(0, scheme), hidden, text.substr(at));
}

std::string to_yaml(const node_config& config, const origins* where) {
  layout at;
  for (const auto& s : sections()) {
    auto count = s.count(config);
    std::string_view name;
    auto indent = at.open(s, name);
    if (s.list && count == 0) {
      at.out += fmt::format("{}{}: []\n", indent, name);
      continue;
    }
    at.out += fmt::format("{}{}:\n", indent, name);
    for (std::size_t i = 0; i < count; ++i) {
      auto lead = s.list ? "  - " : "  ";
      for (const auto& key : s.keys) {
        auto line = fmt::format("{}{}{}: {}", indent, lead, key.name, value_text(key, config, i));
        if (where != nullptr)
          line += fmt::format("  # {}", origin_of(*where, key_path(s, i, key)));
        at.out += line + "\n";
        lead = s.list ? "    " : "  ";
      }
    }
  }
  return at.out;
}

nlohmann::json to_json(const node_config& config) {
  auto result = nlohmann::json::object();
  for (const auto& s : sections()) {
    auto items = nlohmann::json::array();
    for (std::size_t i = 0; i < s.count(config); ++i) {
      auto item = nlohmann::json::object();
      for (const auto& key : s.keys) {
        auto v = read(key, config, i);
        if (auto* text = std::get_if<std::string>(&v))
          *text = redacted(key.secret, *text);
        item[std::string{key.name}] = std::visit([](auto& x) { return nlohmann::json(x); }, v);
      }
      items.push_back(std::move(item));
    }
    std::string pointer{"/"};
    for (auto c : s.path)
      pointer += c == '.' ? '/' : c;
    result[nlohmann::json::json_pointer{pointer}] = s.list ? std::move(items) : items.at(0);
  }
  return result;
}

std::string sample_yaml() {
  layout at;
  at.out = "# The configuration of a Troupe node: every key with its default. Written by\n"
           "# `troupe config sample`; take the lines you change and leave the others out.\n"
           "#\n"
           "# Layers, the later ones win: these defaults, troupe.yaml, troupe.<env>.yaml (--env),\n"
           "# the environment (TROUPE_GATEWAY__LISTEN=...), --set gateway.listen=...\n"
           "# Check with `troupe config check`; see what is in force with `troupe config show`.\n";
  auto config = defaults();
  for (const auto& s : sections()) {
    at.out += "\n";
    std::string_view name;
    auto indent = at.open(s, name);
    auto lead = fmt::format("{}# ", indent);
    add_comment(at.out, lead, s.doc);
    if (s.list)
      add_comment(at.out, lead, "A list. One item with all its keys:");
    at.out += fmt::format("{}{}{}:\n", s.list ? "#" : "", indent, name);
    sample_keys(at.out, s, indent, config);
  }
  return at.out;
}

std::string keys_text() {
  std::string out;
  auto config = defaults();
  for (const auto& s : sections()) {
    out += fmt::format("{}{}: {}\n", s.path, s.list ? "[]" : "", s.doc);
    for (const auto& key : s.keys) {
      auto limit = limits(key);
      out += fmt::format(
          "  {} = {}\n      {}{}{}\n", table_path(s, key), value_text(key, config, 0), key.doc,
          limit.empty() ? "" : fmt::format(" ({})", limit), key.reloadable ? " [reload]" : "");
    }
  }
  return out;
}

nlohmann::json keys_json() {
  auto result = nlohmann::json::array();
  auto config = defaults();
  for (const auto& s : sections()) {
    for (const auto& key : s.keys) {
      auto fallback =
          std::visit([](const auto& x) { return nlohmann::json(x); }, read(key, config, 0));
      result.push_back({{"key", table_path(s, key)},
                        {"type", type_name(key)},
                        {"unit", key.unit},
                        {"default", std::move(fallback)},
                        {"limits", limits(key)},
                        {"secret", key.secret != secrecy::open},
                        {"reloadable", key.reloadable},
                        {"doc", key.doc},
                        {"variable", environment_name(s, key)}});
    }
  }
  return result;
}

} // namespace troupe::config
