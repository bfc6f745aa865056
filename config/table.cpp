#include "config/table.hpp"

#include "config/section_builder.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>

namespace troupe::config {

const std::vector<section_info>& sections() {
  static const auto all = [] {
    std::vector<section_info> result;
    add_node_sections(result);
    add_gateway_sections(result);
    add_model_sections(result);
    add_session_sections(result);
    add_store_sections(result);
    add_channel_sections(result);
    add_text_sections(result);
    return result;
  }();
  return all;
}

const section_info* find_section(std::string_view path) {
  const auto& all = sections();
  auto i = std::find_if(all.begin(), all.end(), [&](auto& s) { return s.path == path; });
  return i == all.end() ? nullptr : &*i;
}

const key_info* find_key(const section_info& section, std::string_view name) {
  auto i = std::find_if(section.keys.begin(), section.keys.end(),
                        [&](auto& k) { return k.name == name; });
  return i == section.keys.end() ? nullptr : &*i;
}

std::string key_path(const section_info& section, std::size_t index, const key_info& key) {
  return section.list ? fmt::format("{}.{}.{}", section.path, index, key.name)
                      : fmt::format("{}.{}", section.path, key.name);
}

value read(const key_info& key, const node_config& config, std::size_t index) {
  // `at` gives a way to write; nothing is written here.
  return std::visit([](auto* p) -> value { return *p; },
                    key.at(const_cast<node_config&>(config), index));
}

std::string type_name(const key_info& key) {
  node_config any;
  any.upstreams.resize(1);
  any.models.resize(1);
  any.channels.onebot.resize(1);
  switch (key.at(any, 0).index()) {
    case 0:
      return "true or false";
    case 1:
      return key.unit.empty() ? "a whole number" : fmt::format("a whole number of {}", key.unit);
    case 2:
      return "text";
    case 3:
      return "a list of texts";
    default:
      return "a map from text to text";
  }
}

std::string limits(const key_info& key) {
  if (key.min != 0 || key.max != 0)
    return fmt::format("{} to {}{}{}", key.min, key.max, key.unit.empty() ? "" : " ", key.unit);
  if (key.allowed.empty())
    return {};
  if (key.allowed.size() == 1)
    return std::string{key.allowed.front()};
  return fmt::format("{} or {}", fmt::join(key.allowed.begin(), key.allowed.end() - 1, ", "),
                     key.allowed.back());
}

} // namespace troupe::config
