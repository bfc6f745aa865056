#include "persistence/soci/dialect.hpp"

namespace troupe::persistence {

std::string put_in_place(std::string_view text, std::span<const replacement> all) {
  std::string out{text};
  for (auto [from, to] : all)
    for (auto at = out.find(from); at != std::string::npos; at = out.find(from, at + to.size()))
      out.replace(at, from.size(), to);
  return out;
}

} // namespace troupe::persistence
