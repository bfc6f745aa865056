// YAML into a small tree with positions, within bounds: files may come from anywhere.
#pragma once

#include <cstddef>
#include <memory>
#include <stdexcept>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace troupe::config {

/// Bounds of one document.
struct yaml_limits {
  std::size_t bytes_max = 1'048'576;
  std::size_t depth_max = 32;
  std::size_t nodes_max = 100'000; // aliases count as often as they are used
};

struct yaml_node;
using yaml_ptr = std::shared_ptr<const yaml_node>;

struct yaml_node {
  enum class kind { null, scalar, sequence, map };
  struct entry {
    yaml_ptr key; // null in sequences
    yaml_ptr node;
  };

  kind type = kind::null;
  std::string text;           // of scalars
  bool quoted = false;        // "5" is text, 5 may be a number
  std::vector<entry> entries; // of sequences and maps
  int line = 0;               // from 1
  int column = 0;
  std::size_t size = 1;   // nodes below and including this one
  std::size_t height = 1; // levels below and including this one
};

/// Not YAML, or over a limit.
class yaml_error : public std::runtime_error {
public:
  yaml_error(int line, int column, const std::string& text) :
      std::runtime_error(text), line(line), column(column) {}
  int line;
  int column;
};

/// Reads one document; an empty one is a null node. Throws `yaml_error`.
yaml_ptr parse_yaml(std::string_view text, const yaml_limits& limits = {});

/// "a list", "a map", "nothing" or "`the scalar`", shortened.
std::string describe(const yaml_node& node);

} // namespace troupe::config
