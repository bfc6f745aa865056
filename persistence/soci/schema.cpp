#include "persistence/soci/sql_repositories.hpp"

namespace troupe::persistence {

void sql_schema::lock() {
  auto hold = sql_.sql_dialect().hold_schema();
  if (!hold.empty())
    sql_.run_once(std::string{hold});
}

void sql_schema::prepare() {
  execute("CREATE TABLE IF NOT EXISTS schema_migrations (version {int} NOT NULL PRIMARY KEY, "
          "name {text} NOT NULL, checksum {text} NOT NULL, statements_done {int} NOT NULL, "
          "finished_us {int} NOT NULL)");
}

std::vector<applied_migration> sql_schema::applied() {
  std::vector<applied_migration> out;
  bool exists = false;
  sql_.each(
      sql_.sql_dialect().count_tables(), "i", [&](row_view row) { exists = row.number(0) != 0; },
      "schema_migrations");
  if (!exists)
    return out;
  sql_.each("SELECT version, name, checksum, statements_done, finished_us FROM "
            "schema_migrations ORDER BY version",
            "ittii", [&](row_view row) {
              out.push_back({row.number(0), std::move(row.text(1)), std::move(row.text(2)),
                             row.number(3), row.number(4)});
            });
  return out;
}

void sql_schema::execute(std::string_view statement) {
  sql_.run_once(sql_.sql_dialect().types(statement));
}

void sql_schema::record(const applied_migration& row) {
  if (sql_.run("UPDATE schema_migrations SET statements_done = :done, finished_us = :finished "
               "WHERE version = :version",
               row.statements_done, row.finished_us, row.version)
      != 0)
    return;
  sql_.run("INSERT INTO schema_migrations (version, name, checksum, statements_done, finished_us) "
           "VALUES (:version, :name, :checksum, :done, :finished)",
           row.version, row.name, row.checksum, row.statements_done, row.finished_us);
}

} // namespace troupe::persistence
