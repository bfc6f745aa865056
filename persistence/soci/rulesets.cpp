#include "persistence/soci/sql_rulesets.hpp"

#include <fmt/format.h>

#include <limits>
#include <span>

namespace troupe::persistence {

namespace {

#define COLUMNS "id, kind, name, enabled, version, items, created_us, updated_us, body"
constexpr std::string_view kinds = "titiiiiib";
constexpr std::string_view item_kinds = "ttii";
constexpr std::string_view version_kinds = "iib";
constexpr std::size_t rows_at_once = 48; // of a statement that takes many
constexpr std::size_t rows_many = 5'000; // so many new ones are worth a look at the table

v1::Ruleset read(row_view row) {
  v1::Ruleset out;
  unpack(row.text(8), out);
  out.set_id(std::move(row.text(0)));
  out.set_kind(static_cast<v1::RulesetKind>(row.number(1)));
  out.set_name(std::move(row.text(2)));
  out.set_enabled(row.number(3) != 0);
  out.set_version(row.number(4));
  out.set_items(row.number(5));
  out.set_created_us(row.number(6));
  out.set_updated_us(row.number(7));
  return out;
}

std::string body_of(v1::Ruleset rest) {
  rest.clear_id();
  rest.clear_kind();
  rest.clear_name();
  rest.clear_enabled();
  rest.clear_version();
  rest.clear_items();
  rest.clear_created_us();
  rest.clear_updated_us();
  return pack(rest);
}

v1::RulesetVersion read_version(row_view row) {
  v1::RulesetVersion out;
  unpack(row.text(2), out);
  out.set_version(row.number(0));
  out.set_created_us(row.number(1));
  return out;
}

item_row read_item(row_view row) {
  return {std::move(row.text(0)), std::move(row.text(1)), row.number(2), row.number(3)};
}

#define ITEMS "SELECT i.item_key, i.body, i.added_version, i.removed_version FROM ruleset_items i "
#define IN(table, added, removed)                                                                  \
  table ".added_version <= " added " AND (" table ".removed_version = 0 OR " table                 \
        ".removed_version > " removed ") "
#define PAGE "ORDER BY i.item_key LIMIT :count"
#define OF_VERSION                                                                                 \
  ITEMS "WHERE i.ruleset_id = :id AND i.item_key > :after AND " IN("i", ":v1", ":v2")

std::string insert_rows() {
  std::string out = "INSERT INTO ruleset_items (ruleset_id, item_key, added_version, "
                    "removed_version, body) VALUES ";
  for (std::size_t row = 0; row < rows_at_once; ++row)
    out += fmt::format("{}(:id{}, :key{}, :added{}, :removed{}, :body{})", row == 0 ? "" : ", ",
                       row, row, row, row, row);
  return out;
}

std::string remove_rows() {
  std::string out = "UPDATE ruleset_items SET removed_version = :version WHERE ruleset_id = :id "
                    "AND removed_version = 0 AND item_key IN (";
  for (std::size_t row = 0; row < rows_at_once; ++row)
    out += fmt::format("{}:key{}", row == 0 ? "" : ", ", row);
  return out + ")";
}

std::string repeated(std::string_view params) {
  std::string out;
  for (std::size_t row = 0; row < rows_at_once; ++row)
    out += params;
  return out;
}

} // namespace

sql_rulesets::sql_rulesets(sql_session& sql) :
    sql_(sql),
    insert_(sql.sql_dialect().insert_new(
        "rulesets (" COLUMNS ") VALUES (:id, :kind, :name, :enabled, :version, :items, :created, "
        ":updated, :body)")),
    find_by_id_("SELECT " COLUMNS " FROM rulesets WHERE id = :id"),
    find_by_name_("SELECT " COLUMNS " FROM rulesets WHERE kind = :kind AND name = :name"),
    hold_by_id_(find_by_id_ + std::string{sql.sql_dialect().hold_row()}),
    hold_by_name_(find_by_name_ + std::string{sql.sql_dialect().hold_row()}),
    insert_rows_(insert_rows()),
    remove_rows_(remove_rows()),
    items_with_(OF_VERSION "AND " + sql.sql_dialect().contains("i.body") + " " PAGE),
    forget_versions_(
        sql.sql_dialect().delete_first({"ruleset_versions", "ruleset_id, version",
                                        "ruleset_id = :id AND version < :before", "version"})),
    forget_items_(sql.sql_dialect().delete_first(
        {"ruleset_items", "ruleset_id, item_key, added_version",
         "ruleset_id = :id AND removed_version > 0 AND removed_version <= :before",
         "removed_version, item_key"})) {}

bool sql_rulesets::insert(const v1::Ruleset& x) {
  auto body = body_of(x);
  return sql_.run(insert_, x.id(), static_cast<int>(x.kind()), x.name(),
                  static_cast<int>(x.enabled()), x.version(), x.items(), x.created_us(),
                  x.updated_us(), bytes_value{body})
         != 0;
}

std::optional<v1::Ruleset> sql_rulesets::find_with(const v1::RulesetName& name,
                                                   const std::string& by_id,
                                                   const std::string& by_name) {
  std::optional<v1::Ruleset> out;
  auto take = [&](row_view row) { out = read(row); };
  if (!name.id().empty())
    sql_.each(by_id, kinds, take, name.id());
  else
    sql_.each(by_name, kinds, take, static_cast<int>(name.kind()), name.name());
  return out;
}

std::optional<v1::Ruleset> sql_rulesets::find(const v1::RulesetName& name) {
  return find_with(name, find_by_id_, find_by_name_);
}

std::optional<v1::Ruleset> sql_rulesets::hold(const v1::RulesetName& name) {
  return find_with(name, hold_by_id_, hold_by_name_);
}

bool sql_rulesets::update(const v1::Ruleset& x) {
  v1::RulesetName same;
  same.set_kind(x.kind());
  same.set_name(x.name());
  if (auto other = find(same); other && other->id() != x.id())
    return false;
  auto body = body_of(x);
  return sql_.run("UPDATE rulesets SET name = :name, enabled = :enabled, version = :version, "
                  "items = :items, updated_us = :updated, body = :body WHERE id = :id",
                  x.name(), static_cast<int>(x.enabled()), x.version(), x.items(), x.updated_us(),
                  bytes_value{body}, x.id())
         != 0;
}

bool sql_rulesets::erase(std::string_view id) {
  return sql_.run("DELETE FROM rulesets WHERE id = :id", id) != 0;
}

std::vector<v1::Ruleset> sql_rulesets::list(v1::RulesetKind kind) {
  std::vector<v1::Ruleset> out;
  sql_.each(
      "SELECT " COLUMNS " FROM rulesets WHERE kind = :kind ORDER BY name", kinds,
      [&](row_view row) { out.push_back(read(row)); }, static_cast<int>(kind));
  return out;
}

void sql_rulesets::insert_version(std::string_view id, const v1::RulesetVersion& x) {
  auto rest = x;
  rest.clear_version();
  rest.clear_created_us();
  auto body = pack(rest);
  sql_.run("INSERT INTO ruleset_versions (ruleset_id, version, created_us, body) VALUES (:id, "
           ":version, :created, :body)",
           id, x.version(), x.created_us(), bytes_value{body});
}

std::optional<v1::RulesetVersion> sql_rulesets::find_version(std::string_view id,
                                                             std::int64_t version) {
  std::optional<v1::RulesetVersion> out;
  sql_.each(
      "SELECT version, created_us, body FROM ruleset_versions WHERE ruleset_id = :id AND version "
      "= :version",
      version_kinds, [&](row_view row) { out = read_version(row); }, id, version);
  return out;
}

std::vector<v1::RulesetVersion> sql_rulesets::versions(std::string_view id,
                                                       std::int64_t before_version, int limit) {
  if (before_version == 0)
    before_version = std::numeric_limits<std::int64_t>::max();
  std::vector<v1::RulesetVersion> out;
  sql_.each(
      "SELECT version, created_us, body FROM ruleset_versions WHERE ruleset_id = :id AND version "
      "< :before ORDER BY version DESC LIMIT :count",
      version_kinds, [&](row_view row) { out.push_back(read_version(row)); }, id, before_version,
      limit);
  return out;
}

std::vector<item_row> sql_rulesets::items(std::string_view id, std::int64_t version,
                                          std::string_view after_key, std::string_view part,
                                          int limit) {
  std::vector<item_row> out;
  auto add = [&](row_view row) { out.push_back(read_item(row)); };
  if (part.empty())
    sql_.each(OF_VERSION PAGE, item_kinds, add, id, after_key, version, version, limit);
  else
    sql_.each(items_with_, item_kinds, add, id, after_key, version, version, like_pattern(part),
              limit);
  return out;
}

std::optional<item_row> sql_rulesets::find_item(std::string_view id, std::string_view key) {
  std::optional<item_row> out;
  sql_.each(
      ITEMS "WHERE i.ruleset_id = :id AND i.removed_version = 0 AND i.item_key = :key", item_kinds,
      [&](row_view row) { out = read_item(row); }, id, key);
  return out;
}

void sql_rulesets::insert_items(std::string_view id, const std::vector<item_row>& rows) {
  static const std::string params = repeated("ttiit");
  std::size_t next = 0;
  for (; rows.size() - next >= rows_at_once; next += rows_at_once) {
    auto& st = sql_.prepared(insert_rows_, params, {});
    std::size_t at = 0;
    for (const auto& row : std::span{rows}.subspan(next, rows_at_once)) {
      st.set(at++, id);
      st.set(at++, std::string_view{row.key});
      st.set(at++, row.added_version);
      st.set(at++, row.removed_version);
      st.set(at++, std::string_view{row.body});
    }
    st.execute();
  }
  for (; next < rows.size(); ++next)
    sql_.run("INSERT INTO ruleset_items (ruleset_id, item_key, added_version, removed_version, "
             "body) VALUES (:id, :key, :added, :removed, :body)",
             id, rows[next].key, rows[next].added_version, rows[next].removed_version,
             rows[next].body);
  auto refresh = sql_.sql_dialect().refresh_statistics("ruleset_items");
  if (rows.size() >= rows_many && !refresh.empty())
    sql_.run_once(refresh);
}

std::int64_t sql_rulesets::remove_items(std::string_view id, const std::vector<std::string>& keys,
                                        std::int64_t version) {
  static const std::string params = "it" + repeated("t");
  std::int64_t out = 0;
  std::size_t next = 0;
  for (; keys.size() - next >= rows_at_once; next += rows_at_once) {
    auto& st = sql_.prepared(remove_rows_, params, {});
    st.set(0, version);
    st.set(1, id);
    for (std::size_t row = 0; row < rows_at_once; ++row)
      st.set(2 + row, std::string_view{keys[next + row]});
    st.execute();
    out += st.affected();
  }
  for (; next < keys.size(); ++next)
    out += sql_.run("UPDATE ruleset_items SET removed_version = :version WHERE ruleset_id = :id "
                    "AND removed_version = 0 AND item_key = :key",
                    version, id, keys[next]);
  return out;
}

std::vector<item_row> sql_rulesets::items_only_in(std::string_view id, std::int64_t from,
                                                  std::int64_t to, std::string_view after_key,
                                                  int limit) {
  std::vector<item_row> out;
  // An item that went and came back with the same body has two rows, and is the same.
  sql_.each(
      ITEMS "WHERE i.ruleset_id = :id AND i.item_key > :after AND " IN(
          "i", ":f1",
          ":f2") "AND NOT EXISTS (SELECT 1 FROM ruleset_items o WHERE o.ruleset_id = i.ruleset_id "
                 "AND o.item_key = i.item_key AND o.body = i.body AND " IN("o", ":t1",
                                                                           ":t2") ") " PAGE,
      item_kinds, [&](row_view row) { out.push_back(read_item(row)); }, id, after_key, from, from,
      to, to, limit);
  return out;
}

std::int64_t sql_rulesets::forget_before(std::string_view id, std::int64_t version, int limit) {
  // Versions first: what is left of one that nobody can ask for does no harm.
  auto versions = sql_.run(forget_versions_, id, version, limit);
  if (versions >= limit)
    return versions;
  return versions + sql_.run(forget_items_, id, version, limit - versions);
}

#undef OF_VERSION
#undef PAGE
#undef IN
#undef ITEMS
#undef COLUMNS

} // namespace troupe::persistence
