#include "persistence/soci/postgresql.hpp"

#include "persistence/migration.hpp"
#include "persistence/soci/postgresql_conninfo.hpp"
#include "persistence/soci/postgresql_driver.hpp"
#include "persistence/soci/sql_database.hpp"

#include <fmt/format.h>

#include <algorithm>

namespace troupe::persistence {

namespace {

constexpr std::size_t findings_max = 20;

std::unique_ptr<soci::session> connect(const postgresql_conninfo& where, access mode,
                                       const postgresql_options& options) {
  try {
    return postgresql().connect(where.connection_string(options, mode));
  } catch (const soci::soci_error& error) {
    throw where.refusal(error.get_error_message());
  }
}

class postgresql_database final : public sql_database {
public:
  postgresql_database(std::unique_ptr<soci::session> session, const postgresql_options& options) :
      sql_database(std::move(session), postgresql_dialect()) {
    // Settings, not `options` of the connection: poolers refuse those. The server is to notice that
    // we are gone, too: it has only so many connections.
    sql_.run_once(fmt::format(
        "SET client_min_messages = warning; SET bytea_output = hex; SET synchronous_commit = on; "
        "SET standard_conforming_strings = on; SET statement_timeout = {}; SET lock_timeout = {}; "
        "SET idle_in_transaction_session_timeout = {}; SET tcp_user_timeout = {}; "
        "SET tcp_keepalives_idle = {}; SET tcp_keepalives_interval = 1; "
        "SET tcp_keepalives_count = 3",
        options.statement_limit_ms, options.lock_limit_ms, options.idle_limit_ms,
        options.lost_limit_ms, std::max<std::int64_t>(options.lost_limit_ms / 2'000, 1)));
  }

  void begin(access mode) override {
    try {
      sql_database::begin(mode);
    } catch (failure& error) {
      // The server was restarted since the last transaction: nothing of this one was done.
      error.again = error.again || error.hurt == damage::connection;
      throw;
    }
  }

  void commit() override {
    // PostgreSQL answers such a COMMIT with a rollback, and no error.
    if (postgresql().transaction_failed(sql_.session()))
      throw failure(ec::internal, "a transaction with a failed statement in it was to be committed",
                    damage::transaction);
    sql_database::commit();
  }

  /// What the tables and their indexes take.
  std::int64_t bytes() {
    return count("SELECT SUM(pg_total_relation_size(c.oid)) FROM pg_class c WHERE c.relkind = 'r' "
                 "AND c.relnamespace = (SELECT oid FROM pg_namespace WHERE nspname = "
                 "current_schema())");
  }

  bool others_are_here() {
    return count("SELECT COUNT(*) FROM pg_stat_activity WHERE datname = current_database() AND "
                 "application_name = 'troupe'")
           > 0;
  }

  void copy_to(const std::string&) override {
    throw failure(ec::unsupported, "copies of a PostgreSQL database are made with pg_dump");
  }

private:
  std::int64_t count(std::string_view sql) {
    std::int64_t out = 0;
    sql_.each(sql, "i", [&](row_view row) { out = row.number(0); });
    return out;
  }

  /// Reads every row of every table, so that damaged pages are met, and what the catalogue says
  /// of keys that are not enforced.
  std::vector<finding> verify_storage() override {
    std::vector<finding> out;
    auto note = [&](std::string_view check, std::string detail) {
      if (out.size() < findings_max)
        out.push_back({std::string{check}, std::move(detail)});
    };
    std::vector<std::string> tables;
    sql_.each("SELECT quote_ident(tablename) FROM pg_tables WHERE schemaname = current_schema() "
              "ORDER BY tablename",
              "t", [&](row_view row) { tables.push_back(std::move(row.text(0))); });
    for (const auto& table : tables) {
      try {
        sql_.run_once(fmt::format("SELECT SUM(LENGTH(CAST(t AS TEXT))) FROM {} t", table));
      } catch (const failure& error) {
        if (error.hurt == damage::connection)
          throw;
        note("integrity", fmt::format("table {}: {}", table, error.what()));
      }
    }
    sql_.each("SELECT CAST(conname AS TEXT) FROM pg_constraint WHERE NOT convalidated AND "
              "connamespace = (SELECT oid FROM pg_namespace WHERE nspname = current_schema())",
              "t", [&](row_view row) { note("integrity", row.text(0) + " is not validated"); });
    sql_.each("SELECT CAST(c.relname AS TEXT) FROM pg_index i JOIN pg_class c ON c.oid = "
              "i.indexrelid WHERE NOT i.indisvalid AND c.relnamespace = (SELECT oid FROM "
              "pg_namespace WHERE nspname = current_schema())",
              "t", [&](row_view row) { note("integrity", row.text(0) + " is not valid"); });
    // Keys that were not enforced for a while, as a restore of parts does it.
    struct reference {
      const char* child;
      const char* key;
      const char* parent;
    };
    for (const auto& x : {reference{"messages", "conversation_id", "conversations"},
                          reference{"turns", "conversation_id", "conversations"},
                          reference{"outbox", "turn_id", "turns"}})
      sql_.each(fmt::format("SELECT c.id FROM {} c LEFT JOIN {} p ON p.id = c.{} WHERE p.id IS "
                            "NULL LIMIT {}",
                            x.child, x.parent, x.key, findings_max),
                "t", [&](row_view row) {
                  note("foreign_keys",
                       fmt::format("{} of {} refers to no {}", row.text(0), x.child, x.parent));
                });
    return out;
  }
};

class postgresql_factory final : public database_factory {
public:
  postgresql_factory(const std::string& url, postgresql_options options) :
      where_(url), options_(std::move(options)) {}

  std::unique_ptr<database> open(access mode) override { return open_here(mode); }

  std::unique_ptr<postgresql_database> open_here(access mode) {
    return std::make_unique<postgresql_database>(connect(where_, mode, options_), options_);
  }

  std::string backend() const override { return "postgresql"; }
  std::string location() const override { return where_.location(); }

private:
  postgresql_conninfo where_;
  postgresql_options options_;
};

class postgresql_maintenance final : public maintenance {
public:
  explicit postgresql_maintenance(const std::string& url) : factory_(url, patient()) {}

  database_status status() override {
    database_status out;
    out.backend = factory_.backend();
    out.location = factory_.location();
    out.wanted_version = migrations().back().version;
    auto session = factory_.open_here(access::read);
    unit_of_work unit{*session, access::read};
    auto schema = inspect_schema(*session);
    out.exists = !schema.applied.empty();
    out.schema_version = schema.version;
    out.broken_off = schema.broken_off;
    out.bytes = session->bytes();
    out.in_use = session->others_are_here();
    return out;
  }

  std::vector<finding> check() override {
    auto session = factory_.open(access::read);
    if (session->schema().applied().empty())
      throw failure(ec::not_found,
                    fmt::format("{} holds no database of Troupe: `troupe serve` or `troupe db "
                                "migrate` makes it",
                                factory_.location()));
    return session->verify();
  }

  backup_made backup(const std::string& to) override {
    throw failure(ec::unsupported,
                  fmt::format("PostgreSQL backs itself up while nodes go on: pg_dump "
                              "--format=custom --file={} --dbname=<store.url>, or your provider's "
                              "snapshots",
                              to));
  }

  restore_done restore(const std::string& from) override {
    throw failure(ec::unsupported,
                  fmt::format("PostgreSQL restores itself: stop the nodes, then pg_restore --clean "
                              "--if-exists --dbname=<store.url> {}",
                              from));
  }

private:
  /// Reading all of a large database takes as long as it takes.
  static postgresql_options patient() {
    postgresql_options out;
    out.statement_limit_ms = 0;
    out.idle_limit_ms = 15'000; // nobody waits for what it reads
    out.application_name = "troupe db";
    return out;
  }

  postgresql_factory factory_;
};

} // namespace

database_factory_ptr make_postgresql_factory(const std::string& url,
                                             const postgresql_options& options) {
  return std::make_shared<postgresql_factory>(url, options);
}

std::unique_ptr<maintenance> make_postgresql_maintenance(const std::string& url) {
  return std::make_unique<postgresql_maintenance>(url);
}

} // namespace troupe::persistence
