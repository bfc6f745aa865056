// The .sql files of this folder, made part of the binary by embed.cmake.
#pragma once

#include <string_view>
#include <vector>

namespace troupe::persistence {

struct embedded_file {
  std::string_view name;
  std::string_view text;
};

/// In order of their names.
const std::vector<embedded_file>& embedded_migrations();

} // namespace troupe::persistence
