#include "persistence/soci/dialect.hpp"
#include "persistence/soci/postgresql_driver.hpp"

#include <fmt/format.h>

#include <array>

namespace troupe::persistence {

namespace {

/// The first line without its "ERROR:": those after it quote the row's values.
std::string first_line(std::string_view text) {
  constexpr std::string_view mark = "ERROR:  ";
  if (auto at = text.find(mark); at != std::string_view::npos)
    text.remove_prefix(at + mark.size());
  return std::string{text.substr(0, text.find('\n'))};
}

class postgresql_dialect_impl final : public dialect {
public:
  std::string_view name() const override { return "postgresql"; }
  bool transactional_ddl() const override { return true; }
  std::string_view begin_read() const override {
    return "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY";
  }
  // Commands hold the rows they decide by: each statement after that sees what is committed.
  std::string_view begin_write() const override {
    return "BEGIN ISOLATION LEVEL READ COMMITTED READ WRITE";
  }
  std::string_view now_us() const override {
    return "SELECT CAST(EXTRACT(EPOCH FROM clock_timestamp()) * 1000000 AS BIGINT)";
  }
  // Weaker than FOR UPDATE: rows that refer to this one may still be added.
  std::string_view hold_row() const override { return " FOR NO KEY UPDATE"; }
  std::string_view hold_free_row() const override { return " FOR NO KEY UPDATE SKIP LOCKED"; }
  std::string_view share_row() const override { return " FOR SHARE"; }

  // A migration may take long, and who waits for it waits as long.
  std::string_view hold_schema() const override {
    return "SET LOCAL lock_timeout = '10min'; SET LOCAL statement_timeout = '10min'; "
           "SELECT pg_advisory_xact_lock(hashtext('troupe schema'), "
           "hashtext(current_schema()))";
  }
  std::string_view count_tables() const override {
    return "SELECT COUNT(*) FROM pg_tables WHERE schemaname = current_schema() "
           "AND tablename = :name";
  }
  // It looks by itself, but only a minute later: until then it takes the table for empty.
  std::string refresh_statistics(std::string_view table) const override {
    return fmt::format("ANALYZE (SKIP_LOCKED) {}", table);
  }
  byte_form bytes() const override { return byte_form::hex; }

  std::string insert_new(std::string_view what) const override {
    return fmt::format("INSERT INTO {} ON CONFLICT DO NOTHING", what);
  }

  std::string types(std::string_view sql) const override {
    // Compared by their bytes, whatever the database's language.
    static constexpr std::array<replacement, 6> table{{
        {"{id}", "TEXT COLLATE \"C\""},
        {"{key}", "TEXT COLLATE \"C\""},
        {"{text}", "TEXT COLLATE \"C\""},
        {"{bytes}", "BYTEA"},
        {"{int}", "BIGINT"},
        {"{clustered}", ""},
    }};
    return put_in_place(sql, table);
  }

  failure translate(soci::session& session, const soci::soci_error& error) const override {
    const auto& driver = postgresql();
    return meaning(driver.sqlstate(error), first_line(error.get_error_message()),
                   driver.connection_lost(session));
  }

  void reset(soci::statement& statement) const override {
    // The rows were all here; they need not be kept until the statement's next use.
    postgresql().forget_rows(statement);
  }

private:
  static failure meaning(std::string_view state, const std::string& why, bool lost) {
    auto away = [&](std::string_view advice, damage hurt, bool again = false) {
      return failure(ec::store_unavailable, fmt::format("{} ({})", advice, why), hurt, again);
    };
    auto is = [&](std::string_view prefix) { return state.starts_with(prefix); };
    if (is("53300"))
      return away("the database has no connection left: raise its max_connections, or lower "
                  "store.readers",
                  damage::connection);
    // 57P: it is stopping or starting; 25P03: this transaction did nothing for too long.
    if (lost || is("08") || is("57P") || is("25P03"))
      return away("the connection to the database was lost: see whether the server runs, nothing "
                  "here needs a restart",
                  damage::connection);
    if (is("40001") || is("40P01"))
      return away("another node changed the same rows at once; try again", damage::transaction,
                  true);
    if (is("55P03"))
      return away("the database is busy: another transaction holds the rows; try again",
                  damage::transaction);
    if (is("57014"))
      return away("the database took too long: it is overloaded, or a query was cancelled; try "
                  "again",
                  damage::transaction);
    return lasting(state, why);
  }

  /// Those that will not go by themselves.
  static failure lasting(std::string_view state, const std::string& why) {
    auto away = [&](std::string_view advice, damage hurt) {
      return failure(ec::store_unavailable, fmt::format("{} ({})", advice, why), hurt);
    };
    auto refused = [&](ec code, std::string_view advice) {
      return failure(code, fmt::format("{}: {}", advice, why));
    };
    auto is = [&](std::string_view prefix) { return state.starts_with(prefix); };
    if (is("53100"))
      return away("the database's disk is full: free some space, nothing needs a restart",
                  damage::transaction);
    if (is("53"))
      return away("the database lacks memory or another resource: see its log",
                  damage::transaction);
    if (is("25006"))
      return away("the database cannot be written: it is a standby or was made read-only",
                  damage::connection);
    if (is("58") || is("XX001") || is("XX002"))
      return away("the database's disk failed or its files are damaged: see its log, run `troupe "
                  "db check`",
                  damage::connection);
    if (is("42501"))
      return away("the database's user lacks a right: make it the owner of the database, or grant "
                  "it USAGE and CREATE on the schema",
                  damage::none);
    if (is("3F000"))
      return away("the database has no schema to work in: create one, grant its user USAGE and "
                  "CREATE on it, or set search_path",
                  damage::none);
    if (is("42P01"))
      return away("a table is missing: run `troupe db migrate`", damage::none);
    if (is("23"))
      return refused(ec::conflict, "the database refused the row");
    if (is("22001") || is("54"))
      return refused(ec::too_large, "too large for the database");
    if (is("22021") || is("22P05"))
      return refused(ec::invalid_argument, "the text is no valid UTF-8");
    return refused(ec::internal, "SQL failed");
  }
};

} // namespace

const dialect& postgresql_dialect() {
  static const postgresql_dialect_impl one;
  return one;
}

} // namespace troupe::persistence
