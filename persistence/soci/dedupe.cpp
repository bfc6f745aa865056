#include "persistence/soci/sql_repositories.hpp"

namespace troupe::persistence {

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

void sql_dedupe::put(const dedupe_entry& entry) {
  sql_.run("DELETE FROM dedupe WHERE scope = :scope AND dedupe_key = :key", entry.scope, entry.key);
  sql_.run("INSERT INTO dedupe (scope, dedupe_key, conversation_id, turn_id, message_id, "
           "created_us) VALUES (:scope, :key, :conversation, :turn, :message, :created)",
           entry.scope, entry.key, entry.conversation_id, entry.turn_id, entry.message_id,
           entry.created_us);
}

std::int64_t sql_dedupe::purge(std::int64_t before_us, int limit) {
  // The age of the oldest to stay: erasing by (scope, key) pairs is not portable.
  std::int64_t until = 0;
  sql_.each(
      "SELECT MAX(created_us) FROM (SELECT created_us FROM dedupe WHERE created_us < "
      ":before ORDER BY created_us LIMIT :count) oldest",
      "i", [&](row_view row) { until = row.number(0); }, before_us, limit);
  return until == 0 ? 0 : sql_.run("DELETE FROM dedupe WHERE created_us <= :until", until);
}

} // namespace troupe::persistence
