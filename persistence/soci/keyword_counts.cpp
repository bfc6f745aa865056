#include "persistence/soci/sql_rulesets.hpp"

namespace troupe::persistence {

sql_keyword_counts::sql_keyword_counts(sql_session& sql) :
    sql_(sql),
    insert_(sql.sql_dialect().insert_new(
        "keyword_counts (node, updated_us, body) VALUES (:node, :updated, :body)")),
    purge_(sql.sql_dialect().delete_first(
        {"keyword_counts", "node", "updated_us < :before", "updated_us, node"})) {}

void sql_keyword_counts::save(std::string_view node, std::string_view counts, std::int64_t now_us) {
  if (sql_.run("UPDATE keyword_counts SET updated_us = :updated, body = :body WHERE node = :node",
               now_us, bytes_value{counts}, node)
      == 0)
    sql_.run(insert_, node, now_us, bytes_value{counts});
}

std::vector<v1::SaveKeywordCounts> sql_keyword_counts::all() {
  std::vector<v1::SaveKeywordCounts> out;
  sql_.each("SELECT node, body FROM keyword_counts ORDER BY node", "tb", [&](row_view row) {
    auto& one = out.emplace_back();
    one.set_node(std::move(row.text(0)));
    one.set_counts(std::move(row.text(1)));
  });
  return out;
}

std::int64_t sql_keyword_counts::purge(std::int64_t before_us, int limit) {
  return sql_.run(purge_, before_us, limit);
}

} // namespace troupe::persistence
