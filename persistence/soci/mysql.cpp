#include "persistence/soci/mysql.hpp"

#include "persistence/migration.hpp"
#include "persistence/soci/mysql_address.hpp"
#include "persistence/soci/mysql_driver.hpp"
#include "persistence/soci/sql_database.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <charconv>

namespace troupe::persistence {

namespace {

constexpr std::size_t findings_max = 20;

struct flavour {
  const dialect& sql;
  bool mariadb = false;
};

/// Throws for a server that is too old.
flavour flavour_of(const std::string& version) {
  auto mariadb = version.find("MariaDB") != std::string::npos;
  int major = 0, minor = 0;
  const auto* end = version.data() + version.size();
  auto rest = std::from_chars(version.data(), end, major).ptr;
  if (rest != end)
    std::from_chars(rest + 1, end, minor);
  auto least = mariadb ? std::pair{10, 6} : std::pair{8, 0};
  if (std::pair{major, minor} < least)
    throw failure(ec::config_invalid,
                  fmt::format("the database server is {}; Troupe needs MariaDB 10.6 or MySQL 8.0, "
                              "or newer",
                              version));
  return {mariadb ? mariadb_dialect() : mysql_dialect(), mariadb};
}

std::int64_t seconds(std::int64_t ms) { return std::max<std::int64_t>(ms / 1'000, 1); }

/// A statement that changes the schema commits, and with it goes every lock but those that the
/// connection itself holds.
class mysql_schema final : public sql_schema {
public:
  explicit mysql_schema(sql_session& sql) : sql_schema(sql) {}

  void lock() override {
    if (held_)
      return;
    bool got = false;
    sql_.each("SELECT GET_LOCK(CONCAT('troupe ', MD5(DATABASE())), 5)", "i",
              [&](row_view row) { got = row.number(0) == 1; });
    if (!got)
      throw failure(ec::store_unavailable,
                    "the database is busy: another node changes its schema; try again",
                    damage::transaction);
    held_ = true;
  }

  void unlock() noexcept override {
    try {
      if (std::exchange(held_, false))
        sql_.each("SELECT RELEASE_LOCK(CONCAT('troupe ', MD5(DATABASE())))", "i", [](row_view) {});
    } catch (...) {
      // The connection is gone, and the lock with it.
    }
  }

  void execute(std::string_view statement) override { run(statement, false); }
  void execute_again(std::string_view statement) override { run(statement, true); }

private:
  void run(std::string_view statement, bool again) {
    const auto& dialect = sql_.sql_dialect();
    auto within = mysql().in_transaction(sql_.session());
    try {
      sql_.session().once << dialect.types(statement);
    } catch (const soci::soci_error& error) {
      // A table, a column or an index that is there, one that is not there to be dropped.
      constexpr std::array done{1050u, 1060u, 1061u, 1091u};
      auto code = mysql().error_code(error);
      if (!again || std::find(done.begin(), done.end(), code) == done.end())
        throw dialect.translate(sql_.session(), error);
    }
    // What is recorded of it is one transaction again.
    if (within && !mysql().in_transaction(sql_.session()))
      sql_.run(dialect.begin_write());
  }

  bool held_ = false;
};

class mysql_database final : public sql_database {
public:
  mysql_database(std::unique_ptr<soci::session> session, access mode, const flavour& server,
                 const mysql_options& options) :
      sql_database(std::move(session), server.sql), mode_(mode) {
    // Statements are read by these rules whatever the server's own are.
    set("sql_mode = 'STRICT_ALL_TABLES,NO_ENGINE_SUBSTITUTION', time_zone = '+00:00', "
        "default_storage_engine = InnoDB, autocommit = 1, foreign_key_checks = 1, "
        "unique_checks = 1");
    sql_.run_once(fmt::format("SET NAMES utf8mb4 COLLATE {}",
                              server.mariadb ? "utf8mb4_nopad_bin" : "utf8mb4_0900_bin"));
    set(fmt::format("innodb_lock_wait_timeout = {}", seconds(options.lock_limit_ms)));
    if (server.mariadb)
      set(fmt::format("max_statement_time = {}, idle_transaction_timeout = {}, "
                      "max_recursive_iterations = 1000000",
                      static_cast<double>(options.statement_limit_ms) / 1'000,
                      seconds(options.idle_limit_ms)));
    else
      set(fmt::format("max_execution_time = {}, cte_max_recursion_depth = 1000000",
                      options.statement_limit_ms));
    sql_.run_once(fmt::format("SET SESSION TRANSACTION ISOLATION LEVEL {}", isolation(mode)));
  }

  schema_repository& schema() override { return schema_; }

  void begin(access mode) override {
    try {
      if (mode != mode_)
        sql_.run_once(fmt::format("SET TRANSACTION ISOLATION LEVEL {}", isolation(mode)));
      sql_database::begin(mode);
    } catch (failure& error) {
      // The server was restarted since the last transaction: nothing of this one was done.
      error.again = error.again || error.hurt == damage::connection;
      throw;
    }
  }

  void commit() override {
    // The server ends a transaction that lost to another one; what came after it is kept already.
    if (!mysql().in_transaction(sql_.session()))
      throw failure(ec::internal, "a transaction that the database had ended was to be committed",
                    damage::transaction);
    sql_database::commit();
  }

  /// What the tables and their indexes take.
  std::int64_t bytes() {
    return count("SELECT SUM(data_length + index_length) FROM information_schema.tables WHERE "
                 "table_schema = DATABASE()");
  }

  bool others_are_here() {
    return count("SELECT COUNT(*) FROM information_schema.processlist WHERE db = DATABASE() AND id "
                 "<> CONNECTION_ID()")
           > 0;
  }

  void copy_to(const std::string&) override {
    throw failure(ec::unsupported, "copies of a MariaDB or MySQL database are made with "
                                   "mariadb-dump or mysqldump");
  }

private:
  /// Who reads sees one moment; who writes sees what is committed, holds the rows it decides by,
  /// and no gaps between them.
  static std::string_view isolation(access mode) {
    return mode == access::read ? "REPEATABLE READ" : "READ COMMITTED";
  }

  void set(const std::string& variables) { sql_.run_once("SET SESSION " + variables); }

  std::int64_t count(std::string_view sql) {
    std::int64_t out = 0;
    sql_.each(sql, "i", [&](row_view row) { out = row.number(0); });
    return out;
  }

  /// Lets the server read every page, and looks for keys that were not enforced for a while, as a
  /// restore of parts does it.
  std::vector<finding> verify_storage() override {
    std::vector<finding> out;
    auto note = [&](std::string_view check, std::string detail) {
      if (out.size() < findings_max)
        out.push_back({std::string{check}, std::move(detail)});
    };
    std::vector<std::string> tables;
    sql_.each("SELECT table_name FROM information_schema.tables WHERE table_schema = DATABASE() "
              "AND table_type = 'BASE TABLE' ORDER BY table_name",
              "t", [&](row_view row) { tables.push_back(std::move(row.text(0))); });
    for (const auto& table : tables)
      sql_.each(fmt::format("CHECK TABLE `{}` EXTENDED", table), "tttt", [&](row_view row) {
        if (row.text(2) != "status" || row.text(3) != "OK")
          note("integrity", fmt::format("table {}: {}", table, row.text(3)));
      });
    struct reference {
      const char* child;
      const char* key;
      const char* parent;
    };
    for (const auto& x : {reference{"messages", "conversation_id", "conversations"},
                          reference{"turns", "conversation_id", "conversations"},
                          reference{"outbox", "turn_id", "turns"}})
      if (std::find(tables.begin(), tables.end(), x.child) != tables.end())
        sql_.each(fmt::format("SELECT c.id FROM {} c LEFT JOIN {} p ON p.id = c.{} WHERE p.id IS "
                              "NULL LIMIT {}",
                              x.child, x.parent, x.key, findings_max),
                  "t", [&](row_view row) {
                    note("foreign_keys",
                         fmt::format("{} of {} refers to no {}", row.text(0), x.child, x.parent));
                  });
    return out;
  }

  access mode_;
  mysql_schema schema_{sql_};
};

class mysql_factory final : public database_factory {
public:
  mysql_factory(const std::string& url, const mysql_options& options) :
      where_(url), options_(options) {}

  std::unique_ptr<database> open(access mode) override { return open_here(mode); }

  std::unique_ptr<mysql_database> open_here(access mode) {
    std::unique_ptr<soci::session> session;
    try {
      session = mysql().connect(where_.place(), options_.connect_limit_ms, options_.lost_limit_ms);
    } catch (const soci::soci_error& error) {
      throw where_.refusal(error);
    }
    auto server = flavour_of(mysql().server_version(*session));
    return std::make_unique<mysql_database>(std::move(session), mode, server, options_);
  }

  std::string backend() const override { return "mysql"; }
  std::string location() const override { return where_.location(); }

private:
  mysql_address where_;
  mysql_options options_;
};

class mysql_maintenance final : public maintenance {
public:
  explicit mysql_maintenance(const std::string& url) : factory_(url, patient()) {}

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
    throw failure(
        ec::unsupported,
        fmt::format("MariaDB and MySQL back themselves up while nodes go on: mariadb-dump "
                    "--single-transaction --hex-blob <database> > {}, or your provider's "
                    "snapshots",
                    to));
  }

  restore_done restore(const std::string& from) override {
    throw failure(ec::unsupported,
                  fmt::format("MariaDB and MySQL restore themselves: stop the nodes, make an empty "
                              "database, then mariadb <database> < {}",
                              from));
  }

private:
  /// Reading all of a large database takes as long as it takes.
  static mysql_options patient() {
    mysql_options out;
    out.statement_limit_ms = 0;
    out.idle_limit_ms = 15'000; // nobody waits for what it reads
    return out;
  }

  mysql_factory factory_;
};

} // namespace

database_factory_ptr make_mysql_factory(const std::string& url, const mysql_options& options) {
  return std::make_shared<mysql_factory>(url, options);
}

std::unique_ptr<maintenance> make_mysql_maintenance(const std::string& url) {
  return std::make_unique<mysql_maintenance>(url);
}

} // namespace troupe::persistence
