#include "persistence/soci/dialect.hpp"

#include <fmt/format.h>
#include <soci/sqlite3/soci-sqlite3.h>

#include <array>

namespace troupe::persistence {

namespace {

namespace sqlite = sqlite_api;

class sqlite_dialect_impl final : public dialect {
public:
  std::string_view name() const override { return "sqlite"; }
  bool transactional_ddl() const override { return true; }
  std::string_view begin_read() const override { return "BEGIN"; }
  // Taking the lock at once: a transaction that read first could not wait for it later.
  std::string_view begin_write() const override { return "BEGIN IMMEDIATE"; }

  // Every node is on this machine, and has its clock. SQLite's has milliseconds.
  std::string_view now_us() const override {
    return "SELECT CAST(ROUND((julianday('now') - 2440587.5) * 86400000.0) AS INTEGER) * 1000";
  }
  // A transaction that writes has the whole file to itself.
  std::string_view hold_row() const override { return ""; }
  std::string_view hold_free_row() const override { return ""; }
  std::string_view share_row() const override { return ""; }
  std::string_view hold_schema() const override { return ""; }

  std::string_view count_tables() const override {
    return "SELECT COUNT(*) FROM sqlite_master WHERE type = 'table' AND name = :name";
  }
  std::string refresh_statistics(std::string_view) const override { return {}; }
  byte_form bytes() const override { return byte_form::blob; }

  std::string insert_new(std::string_view what) const override {
    return fmt::format("INSERT INTO {} ON CONFLICT DO NOTHING", what);
  }

  std::string types(std::string_view sql) const override {
    static constexpr std::array<replacement, 6> table{{
        {"{id}", "TEXT"},
        {"{key}", "TEXT"},
        {"{text}", "TEXT"},
        {"{bytes}", "BLOB"},
        {"{int}", "INTEGER"},
        {"{clustered}", "WITHOUT ROWID"},
    }};
    return put_in_place(sql, table);
  }

  failure translate(soci::session& session, const soci::soci_error& error) const override {
    auto* backend = static_cast<soci::sqlite3_session_backend*>(session.get_backend());
    int code = SQLITE_ERROR;
    if (const auto* known = dynamic_cast<const soci::sqlite3_soci_error*>(&error))
      code = known->result() & 0xff;
    std::string why = error.get_error_message();
    if (backend != nullptr && backend->conn_ != nullptr)
      why = sqlite::sqlite3_errmsg(backend->conn_);
    // A full disk and the like may have ended the transaction already.
    bool lost = backend == nullptr || sqlite::sqlite3_get_autocommit(backend->conn_) != 0;
    return meaning(code, why, lost ? damage::transaction : damage::none);
  }

  void reset(soci::statement& statement) const override {
    auto* backend = static_cast<soci::sqlite3_statement_backend*>(statement.get_backend());
    if (backend != nullptr && backend->stmt_ != nullptr) {
      sqlite::sqlite3_reset(backend->stmt_);
      backend->databaseReady_ = false;
    }
  }

private:
  static failure meaning(int code, const std::string& why, damage hurt) {
    auto away = [&](std::string_view advice, damage how) {
      return failure(ec::store_unavailable, fmt::format("{} ({})", advice, why), how);
    };
    switch (code) {
      case SQLITE_BUSY:
      case SQLITE_LOCKED:
        return away("the database is busy: another process writes to it; try again", hurt);
      case SQLITE_FULL:
        return away("the disk is full: free some space, nothing needs a restart",
                    damage::transaction);
      case SQLITE_READONLY:
        return away("the database cannot be written: check its file's rights and mount",
                    damage::connection);
      case SQLITE_IOERR:
        return away("the disk failed: see the system's log", damage::connection);
      case SQLITE_CORRUPT:
      case SQLITE_NOTADB:
        return away("the database file is damaged: run `troupe db check`, then `troupe db restore`",
                    damage::connection);
      case SQLITE_CANTOPEN:
        return away("the database file cannot be opened: check its folder's rights and space",
                    damage::connection);
      case SQLITE_PERM:
      case SQLITE_AUTH:
        return away("the database file may not be used: check its rights", damage::connection);
      case SQLITE_INTERRUPT:
        return away("the statement was interrupted", hurt);
      case SQLITE_NOMEM:
        return away("there is no memory left for the database", damage::connection);
      case SQLITE_CONSTRAINT:
        return failure(ec::conflict, fmt::format("the database refused the row: {}", why), hurt);
      case SQLITE_TOOBIG:
        return failure(ec::too_large, fmt::format("too large for the database: {}", why), hurt);
      default:
        return failure(ec::internal, fmt::format("SQL failed: {}", why), hurt);
    }
  }
};

} // namespace

const dialect& sqlite_dialect() {
  static const sqlite_dialect_impl one;
  return one;
}

} // namespace troupe::persistence
