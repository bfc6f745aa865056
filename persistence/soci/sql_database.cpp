#include "persistence/soci/sql_database.hpp"

#include "persistence/migration.hpp"

#include <fmt/format.h>

#include <array>

namespace troupe::persistence {

namespace {

/// What must hold besides the keys that the tables declare. Each query names the rows that break
/// it.
struct invariant {
  std::string_view name;
  std::string_view sql;
};

constexpr std::array<invariant, 10> invariants{{
    {"finished_turn_has_reply",
     "SELECT t.id FROM turns t LEFT JOIN messages m ON m.id = t.reply_id AND m.conversation_id = "
     "t.conversation_id WHERE t.status = 3 AND m.id IS NULL LIMIT 20"},
    {"turn_has_message",
     "SELECT t.id FROM turns t LEFT JOIN messages m ON m.id = t.message_id AND m.conversation_id "
     "= t.conversation_id WHERE m.id IS NULL LIMIT 20"},
    {"parent_in_conversation",
     "SELECT m.id FROM messages m JOIN messages p ON p.id = m.parent_id WHERE p.conversation_id "
     "<> m.conversation_id LIMIT 20"},
    {"leaf_in_conversation",
     "SELECT c.id FROM conversations c LEFT JOIN messages m ON m.id = c.leaf_id AND "
     "m.conversation_id = c.id WHERE c.leaf_id <> '' AND m.id IS NULL LIMIT 20"},
    {"message_count",
     "SELECT c.id FROM conversations c WHERE c.message_count <> (SELECT COUNT(*) FROM messages m "
     "WHERE m.conversation_id = c.id) LIMIT 20"},
    {"outbox_has_turn",
     "SELECT o.id FROM outbox o LEFT JOIN turns t ON t.id = o.turn_id WHERE t.id IS NULL "
     "LIMIT 20"},
    {"dedupe_key_once",
     "SELECT MIN(dedupe_key) FROM dedupe GROUP BY scope, dedupe_key HAVING COUNT(*) > 1 "
     "LIMIT 20"},
    {"ledger_request_once",
     "SELECT MIN(request_id) FROM ledger GROUP BY request_id HAVING COUNT(*) > 1 LIMIT 20"},
    {"ruleset_items_counted",
     "SELECT r.id FROM rulesets r WHERE r.items <> (SELECT COUNT(*) FROM ruleset_items i WHERE "
     "i.ruleset_id = r.id AND i.removed_version = 0) LIMIT 20"},
    {"ruleset_has_version",
     "SELECT r.id FROM rulesets r LEFT JOIN ruleset_versions v ON v.ruleset_id = r.id AND "
     "v.version = r.version WHERE r.version > 0 AND v.version IS NULL LIMIT 20"},
}};

} // namespace

std::string pack(const google::protobuf::MessageLite& rest) { return rest.SerializeAsString(); }

void unpack(std::string_view body, google::protobuf::MessageLite& out) {
  if (!out.ParseFromArray(body.data(), static_cast<int>(body.size())))
    throw failure(ec::store_unavailable,
                  "a stored row is damaged: run `troupe db check`, then `troupe db restore`");
}

std::string like_pattern(std::string_view part) {
  std::string out = "%";
  for (char c : part) {
    if (c == '%' || c == '_' || c == '!')
      out += '!';
    out += c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
  }
  return out + "%";
}

void sql_database::begin(access mode) {
  const auto& dialect = sql_.sql_dialect();
  sql_.run(mode == access::write ? dialect.begin_write() : dialect.begin_read());
}

void sql_database::commit() { sql_.run("COMMIT"); }

void sql_database::rollback() noexcept {
  try {
    sql_.run("ROLLBACK");
  } catch (...) {
    // The database has ended the transaction by itself, or the connection is gone and with it
    // the transaction.
  }
}

void sql_database::rollback_savepoint() {
  sql_.run("ROLLBACK TO SAVEPOINT command");
  sql_.run("RELEASE SAVEPOINT command");
}

void sql_database::probe_write(std::int64_t now_us) {
  if (sql_.run("UPDATE store_probe SET probed_us = :now WHERE id = 1", now_us) == 0)
    sql_.run(sql_.sql_dialect().insert_new("store_probe (id, probed_us) VALUES (1, :now)"), now_us);
}

std::vector<finding> sql_database::verify() {
  auto out = verify_storage();
  // A damaged file makes the questions below fail by themselves.
  if (!out.empty())
    return out;
  unit_of_work unit{*this, access::read};
  try {
    auto status = inspect_schema(*this);
    if (status.version != status.wanted_version || status.broken_off) {
      out.push_back({"schema", fmt::format("the schema has version {}, this binary needs {}: run "
                                           "`troupe db migrate`",
                                           status.version, status.wanted_version)});
      return out;
    }
  } catch (const failure& error) {
    out.push_back({"schema", error.what()});
    return out;
  }
  for (const auto& rule : invariants)
    sql_.each(rule.sql, "t", [&](row_view row) {
      out.push_back({std::string{rule.name}, row.text(0)});
    });
  return out;
}

} // namespace troupe::persistence
