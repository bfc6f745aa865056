// Brings a database to the schema this binary needs.
#pragma once

#include "persistence/database.hpp"

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

namespace troupe::persistence {

/// One numbered file of persistence/migrations/. A published one never changes.
struct migration {
  std::int64_t version = 0;
  std::string name;
  std::string checksum; // SHA-256 of the file, in hex
  std::string sql;

  /// Its statements for one dialect. A line `-- only: sqlite postgresql` before a statement leaves
  /// it to these dialects.
  std::vector<std::string> statements(std::string_view dialect) const;
};

/// All migrations of this binary, in order of version.
const std::vector<migration>& migrations();
/// A migration from its file's name (0001_name.sql) and text.
migration make_migration(std::string_view file_name, std::string_view sql);

struct migrate_options {
  /// Empty: those of this binary.
  std::vector<migration> set;
  /// Called before each statement: for tests that stop there.
  std::function<void(std::int64_t version, std::int64_t statement)> before_statement;
  /// The same after it, before it is recorded.
  std::function<void(std::int64_t version, std::int64_t statement)> after_statement;
  /// Works as on a database whose schema changes commit by themselves.
  bool one_statement_a_transaction = false;
  std::int64_t now_us = 0;
  /// Another node's migration may take longer than a connection waits for its turn to write: it is
  /// waited for so long.
  std::int64_t others_limit_ms = 60'000;
  /// Called each time the connection's own patience ended meanwhile.
  std::function<void()> waits;
};

struct schema_status {
  std::int64_t version = 0;        // the newest migration that is done
  std::int64_t wanted_version = 0; // the newest this binary knows
  bool broken_off = false;         // a migration was interrupted: `migrate` goes on with it
  std::vector<applied_migration> applied;
};

/// What the database has. Throws `config_invalid` when it is newer than this binary or a migration
/// was changed after it ran.
schema_status inspect_schema(database& db, const std::vector<migration>& set = migrations());

/// Runs what is missing; a run that was killed is gone on with. Returns the versions it ran.
/// Several nodes may call it at once. Throws as `inspect_schema` does.
std::vector<std::int64_t> migrate(database& db, const migrate_options& options = {});

} // namespace troupe::persistence
