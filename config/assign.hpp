// Puts one layer's values into a configuration.
#pragma once

#include "config/load.hpp"
#include "config/table.hpp"
#include "config/yaml.hpp"

#include <string_view>

namespace troupe::config {

/// Writes values over those of lower layers and remembers where they came from. What cannot be
/// assigned becomes a problem; the rest is still assigned.
class assigner {
public:
  explicit assigner(loaded& into) : into_(into) {}

  /// A whole document. `name` of the file, for places.
  void assign_tree(const yaml_node& root, std::string_view name);

  /// One value by its path: "gateway.listen", "upstreams.0.name", "gateway.cors_origins",
  /// "gateway.cors_origins.0", "upstreams.0.model_map.gpt-4o", "upstreams". Lists, maps and
  /// sections are written in YAML's flow syntax.
  void assign_path(std::string_view path, const std::string& text, std::string_view where);

private:
  void children(const yaml_node& node, std::string_view prefix);
  void section(const section_info& s, const yaml_node& node);
  void fields(const section_info& s, std::size_t index, const yaml_node& node);
  void store(const section_info& s, std::size_t index, const key_info& key, const yaml_node& node);
  void in_section(const section_info& s, std::string_view rest, const std::string& text,
                  std::string_view path);
  void element(const section_info& s, std::size_t index, const key_info& key, std::string_view name,
               const std::string& text);
  void forget(std::string_view prefix);
  bool is_unique_map(const yaml_node& node, std::string_view key);
  yaml_ptr flow(const std::string& text, std::string_view key);
  std::string at(const yaml_node& node) const;
  void complain(std::string where, std::string key, std::string text);

  loaded& into_;
  std::string source_;     // the file, the variable or --set
  bool has_lines_ = false; // of a file
};

/// The known name nearest to a mistyped one, by edit distance; empty if none is near.
std::string nearest(std::string_view name, const std::vector<std::string>& known);

} // namespace troupe::config
