#include "persistence/soci/sql_repositories.hpp"

namespace troupe::persistence {

// Entries that another transaction is about to replace are left to the next purge.
sql_dedupe::sql_dedupe(sql_session& sql) :
    sql_(sql),
    insert_(sql.sql_dialect().insert_new(
        "dedupe (scope, dedupe_key, conversation_id, turn_id, message_id, created_us) VALUES "
        "(:scope, :key, :conversation, :turn, :message, :created)")),
    purge_(sql.sql_dialect().delete_first(
        {"dedupe", "scope, dedupe_key", "created_us < :before", "created_us"})) {}

std::optional<dedupe_entry> sql_dedupe::find(std::string_view scope, std::string_view key) {
  std::optional<dedupe_entry> out;
  sql_.each(
      "SELECT conversation_id, turn_id, message_id, created_us FROM dedupe "
      "WHERE scope = :scope AND dedupe_key = :key",
      "ttti",
      [&](row_view row) {
        out = dedupe_entry{std::string{scope},     std::string{key},       std::move(row.text(0)),
                           std::move(row.text(1)), std::move(row.text(2)), row.number(3)};
      },
      scope, key);
  return out;
}

bool sql_dedupe::claim(const dedupe_entry& entry, std::int64_t old_us) {
  if (sql_.run(insert_, entry.scope, entry.key, entry.conversation_id, entry.turn_id,
               entry.message_id, entry.created_us)
      != 0)
    return true;
  return sql_.run("UPDATE dedupe SET conversation_id = :conversation, turn_id = :turn, "
                  "message_id = :message, created_us = :created WHERE scope = :scope "
                  "AND dedupe_key = :key AND created_us <= :old",
                  entry.conversation_id, entry.turn_id, entry.message_id, entry.created_us,
                  entry.scope, entry.key, old_us)
         != 0;
}

std::int64_t sql_dedupe::purge(std::int64_t before_us, int limit) {
  return sql_.run(purge_, before_us, limit);
}

} // namespace troupe::persistence
