#include "messages/log.hpp"
#include "persistence/api_key.hpp"
#include "persistence/migration.hpp"
#include "persistence/migrations/embedded.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <chrono>
#include <optional>

namespace troupe::persistence {

namespace {

std::string_view trim(std::string_view text) {
  auto first = text.find_first_not_of(" \t\r\n");
  if (first == std::string_view::npos)
    return {};
  return text.substr(first, text.find_last_not_of(" \t\r\n") - first + 1);
}

bool names_word(std::string_view list, std::string_view word) {
  while (!(list = trim(list)).empty()) {
    auto end = std::min(list.find(' '), list.size());
    if (list.substr(0, end) == word)
      return true;
    list.remove_prefix(end);
  }
  return false;
}

/// Only lines that end in `;` end a statement: migrations are written so.
struct statement_reader {
  std::string_view dialect;
  std::vector<std::string> out;
  std::string text;
  bool wanted = true;

  void line(std::string_view raw) {
    constexpr std::string_view only = "-- only:";
    auto content = trim(raw);
    if (content.starts_with("--")) {
      if (content.starts_with(only))
        wanted = names_word(content.substr(only.size()), dialect);
      return;
    }
    if (content.empty())
      return;
    text += text.empty() ? "" : "\n";
    if (content.back() != ';') {
      text += content;
      return;
    }
    text += content.substr(0, content.size() - 1);
    if (wanted)
      out.push_back(text);
    text.clear();
    wanted = true;
  }
};

const applied_migration* row_of(const std::vector<applied_migration>& rows, std::int64_t version) {
  auto i = std::find_if(rows.begin(), rows.end(),
                        [&](const applied_migration& x) { return x.version == version; });
  return i == rows.end() ? nullptr : &*i;
}

/// How long other nodes are waited for, over a whole run.
class patience {
public:
  explicit patience(const migrate_options& options) :
      until_(clock::now() + std::chrono::milliseconds{options.others_limit_ms}),
      waits_(options.waits) {}

  /// A transaction that alone changes the schema.
  void begin(std::optional<unit_of_work>& unit, database& db) {
    for (;;) {
      try {
        unit.reset();
        unit.emplace(db, access::write);
        db.schema().lock();
        return;
      } catch (const failure& error) {
        unit.reset();
        auto busy = error.code == ec::store_unavailable && error.hurt != damage::connection;
        if (!busy || clock::now() >= until_)
          throw;
        if (waits_)
          waits_();
      }
    }
  }

private:
  using clock = std::chrono::steady_clock;
  clock::time_point until_;
  std::function<void()> waits_;
};

/// Lets others pass, however the run ends.
struct schema_turn {
  schema_repository& schema;
  ~schema_turn() { schema.unlock(); }
};

/// Runs one migration from where it stands; the caller holds no transaction. False: another node
/// did it meanwhile.
bool run_one(database& db, const migration& step, const migrate_options& options,
             patience& others) {
  auto& schema = db.schema();
  auto statements = step.statements(schema.dialect());
  bool whole = schema.transactional_ddl() && !options.one_statement_a_transaction;
  schema_turn turn{schema};
  std::optional<unit_of_work> unit;
  applied_migration mark{step.version, step.name, step.checksum, 0, 0};
  // Read again in each transaction: another node may have gone on meanwhile.
  bool begun = false; // it has a row
  auto begin = [&] {
    others.begin(unit, db);
    auto rows = schema.applied();
    if (const auto* row = row_of(rows, step.version)) {
      mark = *row;
      begun = true;
    }
    return mark.finished_us == 0;
  };
  if (!begin())
    return false;
  // Where a change of the schema commits by itself, who is killed after it has not recorded it.
  // That the migration began is recorded first: else a table of the same name would be taken for
  // ours.
  bool again = !schema.transactional_ddl() && begun;
  if (!schema.transactional_ddl() && !begun) {
    schema.record(mark);
    unit->commit();
    if (!begin())
      return false;
  }
  while (static_cast<std::size_t>(mark.statements_done) < statements.size()) {
    if (options.before_statement)
      options.before_statement(step.version, mark.statements_done);
    const auto& statement = statements[static_cast<std::size_t>(mark.statements_done)];
    if (std::exchange(again, false))
      schema.execute_again(statement);
    else
      schema.execute(statement);
    if (options.after_statement)
      options.after_statement(step.version, mark.statements_done);
    ++mark.statements_done;
    schema.record(mark);
    if (!whole) {
      unit->commit();
      if (!begin())
        return false;
    }
  }
  mark.finished_us = std::max<std::int64_t>(options.now_us, 1);
  schema.record(mark);
  unit->commit();
  log_info("schema_migrated", {{"version", step.version}, {"name", step.name}});
  return true;
}

} // namespace

std::vector<std::string> migration::statements(std::string_view dialect) const {
  statement_reader reader{dialect, {}, {}, true};
  std::string_view rest = sql;
  while (!rest.empty()) {
    auto end = std::min(rest.find('\n'), rest.size());
    reader.line(rest.substr(0, end));
    rest.remove_prefix(std::min(end + 1, rest.size()));
  }
  if (!reader.text.empty())
    throw failure(ec::internal, fmt::format("migration {} {}: the last statement has no `;` at "
                                            "the end of its line",
                                            version, name));
  return std::move(reader.out);
}

migration make_migration(std::string_view file_name, std::string_view sql) {
  migration out;
  auto line = file_name.find('_');
  auto dot = file_name.rfind(".sql");
  auto digits = file_name.substr(0, line);
  auto parsed = std::from_chars(digits.data(), digits.data() + digits.size(), out.version);
  if (line == std::string_view::npos || dot == std::string_view::npos || dot < line
      || parsed.ptr != digits.data() + digits.size() || out.version <= 0)
    throw failure(ec::internal,
                  fmt::format("a migration is named NNNN_name.sql, not {}", file_name));
  out.name = file_name.substr(line + 1, dot - line - 1);
  out.sql = sql;
  out.checksum = sha256_hex(sql);
  return out;
}

const std::vector<migration>& migrations() {
  static const std::vector<migration> all = [] {
    std::vector<migration> out;
    for (const auto& file : embedded_migrations())
      out.push_back(make_migration(file.name, file.text));
    return out;
  }();
  return all;
}

schema_status inspect_schema(database& db, const std::vector<migration>& set) {
  schema_status status;
  status.wanted_version = set.empty() ? 0 : set.back().version;
  status.applied = db.schema().applied();
  for (const auto& row : status.applied) {
    auto known = std::find_if(set.begin(), set.end(),
                              [&](const migration& x) { return x.version == row.version; });
    if (known == set.end())
      throw failure(ec::config_invalid,
                    fmt::format("the database has schema version {} ({}), which is newer than this "
                                "binary's {}: run the newer troupe, or restore an older backup",
                                row.version, row.name, status.wanted_version));
    if (known->checksum != row.checksum)
      throw failure(ec::config_invalid,
                    fmt::format("migration {} ({}) is not the one that this database was made "
                                "with: run the troupe that made it, or restore a backup",
                                row.version, row.name));
    if (row.finished_us == 0)
      status.broken_off = true;
    else
      status.version = std::max(status.version, row.version);
  }
  return status;
}

std::vector<std::int64_t> migrate(database& db, const migrate_options& options) {
  const auto& set = options.set.empty() ? migrations() : options.set;
  std::vector<std::int64_t> done;
  patience others{options};
  {
    // Two nodes that start at once: the lock makes one of them wait for the other's table.
    schema_turn turn{db.schema()};
    std::optional<unit_of_work> unit;
    others.begin(unit, db);
    if (db.schema().applied().empty())
      db.schema().prepare();
    unit->commit();
  }
  auto status = inspect_schema(db, set);
  for (const auto& step : set) {
    const auto* row = row_of(status.applied, step.version);
    if ((row == nullptr || row->finished_us == 0) && run_one(db, step, options, others))
      done.push_back(step.version);
  }
  return done;
}

} // namespace troupe::persistence
