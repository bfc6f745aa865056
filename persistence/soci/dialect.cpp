#include "persistence/soci/dialect.hpp"

#include <fmt/format.h>

namespace troupe::persistence {

std::string put_in_place(std::string_view text, std::span<const replacement> all) {
  std::string out{text};
  for (auto [from, to] : all)
    for (auto at = out.find(from); at != std::string::npos; at = out.find(from, at + to.size()))
      out.replace(at, from.size(), to);
  return out;
}

std::string dialect::prepared_text(std::string_view sql, std::string_view) const {
  return std::string{sql};
}

std::string dialect::contains(std::string_view column) const {
  return fmt::format("LOWER({}) LIKE :part ESCAPE '!'", column);
}

std::string dialect::delete_first(const first_rows& rows) const {
  return fmt::format("DELETE FROM {0} WHERE ({1}) IN (SELECT {1} FROM (SELECT {1} FROM {0} WHERE "
                     "{2} ORDER BY {3} LIMIT :count{4}) old)",
                     rows.table, rows.key, rows.where, rows.order, hold_free_row());
}

} // namespace troupe::persistence
