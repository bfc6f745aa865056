#include "persistence/soci/dialect.hpp"
#include "persistence/soci/mysql_driver.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <vector>

namespace troupe::persistence {

namespace {

/// A column's own REFERENCES says nothing to MySQL: they become keys of the table.
std::string with_table_keys(std::string_view sql) {
  constexpr std::string_view word = " REFERENCES ";
  std::string out;
  std::string keys;
  while (!sql.empty()) {
    auto line = sql.substr(0, sql.find('\n'));
    sql.remove_prefix(std::min(line.size() + 1, sql.size()));
    auto comma = line.ends_with(',');
    if (comma)
      line.remove_suffix(1);
    if (line == ")" || line.starts_with(") "))
      out += std::exchange(keys, {});
    out += out.empty() ? "" : "\n";
    auto at = line.find(word);
    if (at != std::string_view::npos)
      keys += fmt::format(",\nFOREIGN KEY ({}){}", line.substr(0, line.find(' ')), line.substr(at));
    out += line.substr(0, at);
    out += comma ? "," : "";
  }
  return out;
}

class mysql_dialect_impl final : public dialect {
public:
  /// A collation of the server that compares bytes, blanks at the end among them.
  explicit mysql_dialect_impl(std::string_view collation) :
      id_(fmt::format("VARCHAR(64) CHARACTER SET utf8mb4 COLLATE {}", collation)),
      key_(fmt::format("VARCHAR(255) CHARACTER SET utf8mb4 COLLATE {}", collation)),
      text_(fmt::format("LONGTEXT CHARACTER SET utf8mb4 COLLATE {}", collation)) {}

  std::string_view name() const override { return "mysql"; }
  bool transactional_ddl() const override { return false; }
  // In a transaction that reads the isolation is REPEATABLE READ, else READ COMMITTED: see
  // `mysql_database`.
  std::string_view begin_read() const override {
    return "START TRANSACTION WITH CONSISTENT SNAPSHOT, READ ONLY";
  }
  std::string_view begin_write() const override { return "START TRANSACTION READ WRITE"; }
  std::string_view now_us() const override {
    return "SELECT CAST(UNIX_TIMESTAMP(SYSDATE(6)) * 1000000 AS SIGNED)";
  }
  std::string_view hold_row() const override { return " FOR UPDATE"; }
  std::string_view hold_free_row() const override { return " FOR UPDATE SKIP LOCKED"; }
  std::string_view share_row() const override { return " LOCK IN SHARE MODE"; }
  std::string_view hold_schema() const override { return ""; } // see `mysql_schema`
  std::string_view count_tables() const override {
    return "SELECT COUNT(*) FROM information_schema.tables WHERE table_schema = DATABASE() "
           "AND table_name = :name";
  }
  // It counts by itself while the table grows; a statement for it would end the transaction.
  std::string refresh_statistics(std::string_view) const override { return {}; }
  byte_form bytes() const override { return byte_form::string; }

  /// SOCI writes the parameters into the statement: bytes must be no text there, or MySQL warns of
  /// what is no UTF-8.
  std::string prepared_text(std::string_view sql, std::string_view params) const override {
    std::string out;
    std::size_t param = 0;
    bool quoted = false;
    for (char c : sql) {
      quoted = quoted != (c == '\'');
      if (c == ':' && !quoted && param < params.size() && params[param++] == 'b')
        out += "_binary ";
      out += c;
    }
    return out;
  }

  std::string insert_new(std::string_view what) const override {
    return fmt::format("INSERT IGNORE INTO {}", what);
  }

  /// IGNORE makes warnings of all errors: texts would be cut, rows without their parent left out.
  void check_insert_new(soci::session& session) const override {
    constexpr unsigned taken = 1062;
    for (const auto& warning : mysql().warnings(session))
      if (warning.code != taken)
        throw meaning(warning.code, warning.text);
  }

  std::string contains(std::string_view column) const override {
    return fmt::format("LOWER({}) LIKE LOWER(:part) ESCAPE '!'", column);
  }

  std::string delete_first(const first_rows& rows) const override {
    return fmt::format("DELETE FROM {} WHERE {} ORDER BY {} LIMIT :count", rows.table, rows.where,
                       rows.order);
  }

  std::string types(std::string_view sql) const override {
    const std::array<replacement, 6> table{{
        {"{id}", id_},
        {"{key}", key_},
        {"{text}", text_},
        {"{bytes}", "LONGBLOB"},
        {"{int}", "BIGINT"},
        {"{clustered}", ""}, // they all are
    }};
    return put_in_place(with_table_keys(sql), table);
  }

  failure translate(soci::session&, const soci::soci_error& error) const override {
    return meaning(mysql().error_code(error), error.get_error_message());
  }

  void reset(soci::statement& statement) const override { mysql().forget_rows(statement); }

private:
  static failure meaning(unsigned code, const std::string& why) {
    auto away = [&](std::string_view advice, damage hurt, bool again = false) {
      return failure(ec::store_unavailable, fmt::format("{} ({})", advice, why), hurt, again);
    };
    switch (code) {
      case 1040:
      case 1203:
      case 1226:
        return away("the database has no connection left: raise its max_connections, or lower "
                    "store.readers",
                    damage::connection);
      case 1053: // it is shutting down
      case 1152:
      case 1158:
      case 1159:
      case 1160:
      case 1161:
      case 1927:
      case 2002:
      case 2003:
      case 2006:
      case 2013:
      case 2055:
      case 4031: // this connection did nothing for too long
        return away("the connection to the database was lost: see whether the server runs, nothing "
                    "here needs a restart",
                    damage::connection);
      case 1213:
        return away("another node changed the same rows at once; try again", damage::transaction,
                    true);
      case 1205:
        return away("the database is busy: another transaction holds the rows; try again",
                    damage::transaction);
      case 1317:
      case 1969:
      case 3024:
        return away("the database took too long: it is overloaded, or a query was cancelled; try "
                    "again",
                    damage::transaction);
      default:
        return lasting(code, why);
    }
  }

  /// Those that will not go by themselves.
  static failure lasting(unsigned code, const std::string& why) {
    auto away = [&](std::string_view advice, damage hurt) {
      return failure(ec::store_unavailable, fmt::format("{} ({})", advice, why), hurt);
    };
    auto refused = [&](ec what, std::string_view advice) {
      return failure(what, fmt::format("{}: {}", advice, why));
    };
    switch (code) {
      case 1021:
      case 1114:
        return away("the database's disk is full: free some space, nothing needs a restart",
                    damage::transaction);
      case 1037:
      case 1038:
      case 1041:
        return away("the database lacks memory: see its log", damage::transaction);
      case 1290:
      case 1836:
        return away("the database cannot be written: it is a replica or was made read-only",
                    damage::connection);
      case 1033:
      case 1034:
      case 1194:
      case 1712:
        return away("the database's files are damaged: see its log, run `troupe db check`",
                    damage::connection);
      case 1044:
      case 1142:
      case 1143:
      case 1227:
        return away("the database's user lacks a right: GRANT ALL ON the database TO it",
                    damage::none);
      case 1146:
        return away("a table is missing: run `troupe db migrate`", damage::none);
      case 1665:
        return away("the server's binary log takes no transactions of READ COMMITTED: set its "
                    "binlog_format to MIXED or ROW",
                    damage::none);
      case 1048:
      case 1062:
      case 1364:
      case 1451:
      case 1452:
      case 4025:
        return refused(ec::conflict, "the database refused the row");
      case 1118:
      case 1153:
      case 1264:
      case 1265:
      case 1406:
      case 2020:
        return refused(ec::too_large, "too large for the database");
      case 1300:
      case 1366:
        return refused(ec::invalid_argument, "the text is no valid UTF-8");
      default:
        return refused(ec::internal, "SQL failed");
    }
  }

  std::string id_;
  std::string key_;
  std::string text_;
};

} // namespace

const dialect& mariadb_dialect() {
  static const mysql_dialect_impl one{"utf8mb4_nopad_bin"};
  return one;
}

const dialect& mysql_dialect() {
  static const mysql_dialect_impl one{"utf8mb4_0900_bin"};
  return one;
}

} // namespace troupe::persistence
