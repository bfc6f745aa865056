// Changes of rulesets: a version each.
#include "persistence/commands/rulesets.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <set>

namespace troupe::persistence {

namespace {

constexpr std::size_t comment_bytes_max = 500;
constexpr std::int64_t change_bytes_max = 128 * 1024 * 1024;
constexpr int scan_rows = 128;               // a step when a whole set is compared
constexpr std::size_t looked_up_max = 1'000; // a change of more keys compares with the whole set

struct put_item {
  std::string_view body;
  bool met = false; // a row with this key is there
};

/// What a change asks for; keys are unique, and none is in both.
struct wish {
  std::map<std::string_view, put_item> put;
  std::set<std::string_view> remove;
  bool replace = false;
};

/// What it comes to.
struct outcome {
  std::vector<std::string> gone; // keys of rows that end: removed or changed
  std::vector<item_row> come;    // rows that begin: added or changed
  v1::RulesetVersion counts;
};

/// Compares the wish with one row that is there.
void meet(wish& wanted, const item_row& row, outcome& out) {
  auto put = wanted.put.find(row.key);
  if (put == wanted.put.end()) {
    if (!wanted.replace && !wanted.remove.contains(row.key))
      return;
    out.gone.push_back(row.key);
    out.counts.set_removed(out.counts.removed() + 1);
    return;
  }
  put->second.met = true;
  if (put->second.body == row.body)
    return;
  out.gone.push_back(row.key);
  out.come.push_back({row.key, std::string{put->second.body}});
  out.counts.set_changed(out.counts.changed() + 1);
}

/// Calls `with` for every row there is that the wish may concern.
template <class Function>
void each_there(database& db, const v1::Ruleset& set, const wish& wanted, Function&& with) {
  auto& rulesets = db.rulesets();
  if (!wanted.replace && wanted.put.size() + wanted.remove.size() <= looked_up_max) {
    auto look = [&](std::string_view key) {
      if (auto row = rulesets.find_item(set.id(), key))
        with(*row);
    };
    for (const auto& [key, item] : wanted.put)
      look(key);
    for (auto key : wanted.remove)
      look(key);
    return;
  }
  std::string last;
  while (true) {
    auto rows = rulesets.items(set.id(), set.version(), last, {}, scan_rows);
    for (const auto& row : rows)
      with(row);
    if (rows.size() < static_cast<std::size_t>(scan_rows))
      return;
    last = std::move(rows.back().key);
  }
}

outcome compare(database& db, const v1::Ruleset& set, wish& wanted) {
  outcome out;
  if (set.items() > 0)
    each_there(db, set, wanted, [&](const item_row& row) { meet(wanted, row, out); });
  for (const auto& [key, item] : wanted.put)
    if (!item.met) {
      out.come.push_back({std::string{key}, std::string{item.body}});
      out.counts.set_added(out.counts.added() + 1);
    }
  out.counts.set_items(set.items() + out.counts.added() - out.counts.removed());
  if (out.counts.items() > ruleset_items_max)
    throw failure(ec::too_large,
                  fmt::format("the {} {} would have {} items, at most {} are kept: divide it",
                              noun_of(set.kind()), set.name(), out.counts.items(),
                              ruleset_items_max));
  return out;
}

struct change_note {
  std::string principal_id;
  std::string comment;
  std::int64_t restored_from = 0;
  bool dry_run = false;
};

v1::RulesetChanged apply(database& db, v1::Ruleset set, wish wanted, const change_note& note,
                         const command_env& env) {
  auto found = compare(db, set, wanted);
  v1::RulesetChanged out;
  auto& rulesets = db.rulesets();
  if (found.gone.empty() && found.come.empty()) {
    out.set_unchanged(true);
    if (auto stands = rulesets.find_version(set.id(), set.version()))
      *out.mutable_change() = std::move(*stands);
    *out.mutable_ruleset() = std::move(set);
    return out;
  }
  auto& version = *out.mutable_change();
  version = std::move(found.counts);
  version.set_version(set.version() + 1);
  version.set_created_us(env.now_us);
  version.set_principal_id(note.principal_id);
  version.set_comment(note.comment);
  version.set_restored_from(note.restored_from);
  if (note.dry_run) {
    *out.mutable_ruleset() = std::move(set);
    return out;
  }
  for (auto& row : found.come)
    row.added_version = version.version();
  rulesets.remove_items(set.id(), found.gone, version.version());
  rulesets.insert_items(set.id(), found.come);
  rulesets.insert_version(set.id(), version);
  set.set_version(version.version());
  set.set_items(version.items());
  set.set_updated_us(env.now_us);
  rulesets.update(set);
  *out.mutable_ruleset() = std::move(set);
  return out;
}

void need_key(const std::string& key, std::string_view what) {
  if (key.empty())
    throw failure(ec::invalid_argument, fmt::format("{} is empty", what));
  need_text(key, item_key_bytes_max, what);
}

wish read_wish(const v1::ChangeRuleset& command) {
  auto asked = std::int64_t{command.put_size()} + command.remove_size();
  if (asked > 2 * ruleset_items_max)
    throw failure(ec::too_large, fmt::format("a change may name {} items, this one names {}: "
                                             "divide it",
                                             2 * ruleset_items_max, asked));
  wish out;
  out.replace = command.replace();
  std::int64_t bytes = 0;
  for (int i = 0; i < command.put_size(); ++i) {
    const auto& item = command.put(i);
    if (item.key().empty() || item.key().size() > item_key_bytes_max || item.body().empty()
        || item.body().size() > item_body_bytes_max || !is_storable(item.key())
        || !is_storable(item.body())) {
      need_key(item.key(), fmt::format("put[{}].key", i));
      if (item.body().empty())
        throw failure(ec::invalid_argument, fmt::format("put[{}].body is empty", i));
      need_text(item.body(), item_body_bytes_max, fmt::format("put[{}].body", i));
    }
    bytes += static_cast<std::int64_t>(item.key().size() + item.body().size());
    out.put[item.key()].body = item.body();
  }
  if (bytes > change_bytes_max)
    throw failure(ec::too_large, fmt::format("a change may have {} bytes, this one has {}: divide "
                                             "it",
                                             change_bytes_max, bytes));
  for (int i = 0; i < command.remove_size(); ++i) {
    need_key(command.remove(i), fmt::format("remove[{}]", i));
    if (!out.put.contains(command.remove(i)))
      out.remove.insert(command.remove(i));
  }
  return out;
}

void check_base(const v1::Ruleset& set, std::int64_t base) {
  if (base < 0)
    throw failure(ec::invalid_argument, "base_version must be a version, or 0 for any");
  if (base != 0 && base != set.version())
    throw failure(ec::conflict,
                  fmt::format("the {} {} has version {} now, not {}: look at what "
                              "changed, then try again with base_version {}",
                              noun_of(set.kind()), set.name(), set.version(), base, set.version()));
}

/// Rows of a version that another one has not, as far as they were read.
struct part {
  std::vector<item_row> rows;
  bool whole = false;
};
struct range {
  std::int64_t in = 0;
  std::int64_t not_in = 0;
  std::string after;
};

/// At most `rows_max`; ends early once there are more than `bytes_max`.
part rows_only_in(database& db, std::string_view id, range where, std::int64_t rows_max,
                  std::int64_t bytes_max) {
  part out;
  std::int64_t bytes = 0;
  while (true) {
    auto left = rows_max - static_cast<std::int64_t>(out.rows.size());
    auto step = static_cast<int>(std::min<std::int64_t>(left, scan_rows));
    if (step <= 0 || bytes > bytes_max)
      return out;
    auto found = db.rulesets().items_only_in(id, where.in, where.not_in, where.after, step);
    out.whole = found.size() < static_cast<std::size_t>(step);
    for (auto& row : found) {
      bytes += static_cast<std::int64_t>(row.body.size());
      out.rows.push_back(std::move(row));
    }
    if (out.whole)
      return out;
    where.after = out.rows.back().key;
  }
}

} // namespace

v1::RulesetChanged change_ruleset(database& db, const v1::ChangeRuleset& command,
                                  const command_env& env) {
  need_text(command.comment(), comment_bytes_max, "comment");
  auto wanted = read_wish(command);
  auto set = hold_ruleset(db, command.ruleset());
  check_base(set, command.base_version());
  return apply(
      db, std::move(set), std::move(wanted),
      {storable(command.context().principal_id()), command.comment(), 0, command.dry_run()}, env);
}

v1::RulesetChanged restore_ruleset(database& db, const v1::RestoreRuleset& command,
                                   const command_env& env) {
  need_text(command.comment(), comment_bytes_max, "comment");
  if (command.version() <= 0)
    throw failure(ec::invalid_argument, "version is missing: the one to go back to");
  auto set = hold_ruleset(db, command.ruleset());
  check_base(set, command.base_version());
  auto version = need_version(db, set, command.version());
  // What was there and is not so now comes back; what has come since goes.
  auto read = [&](std::int64_t from, std::int64_t to) {
    auto out = rows_only_in(db, set.id(), {from, to, {}}, ruleset_items_max + 1, change_bytes_max);
    if (!out.whole)
      throw failure(ec::too_large,
                    "too much has changed since then to go back at once: export the version, then "
                    "import it");
    return std::move(out.rows);
  };
  auto back = read(version, set.version());
  auto gone = read(set.version(), version);
  wish wanted;
  // In order of the keys already.
  for (const auto& row : back)
    wanted.put.emplace_hint(wanted.put.end(), row.key, put_item{row.body});
  for (const auto& row : gone)
    if (!wanted.put.contains(row.key))
      wanted.remove.emplace_hint(wanted.remove.end(), row.key);
  return apply(db, std::move(set), std::move(wanted),
               {storable(command.context().principal_id()), command.comment(), version}, env);
}

namespace {

/// The last key of a page of two lists of which at least one goes on; empty: all of both is in it.
std::string end_of_page(const part& removed, const part& added, std::size_t limit) {
  std::set<std::string_view> keys;
  std::optional<std::string_view> end;
  for (const auto* list : {&removed, &added}) {
    for (const auto& row : list->rows)
      keys.insert(row.key);
    if (!list->whole && (!end || list->rows.back().key < *end))
      end = list->rows.back().key; // what comes after is not known
  }
  if (keys.size() > limit) {
    std::string_view last = *std::next(keys.begin(), static_cast<std::ptrdiff_t>(limit) - 1);
    if (!end || last < *end)
      end = last;
  }
  return std::string{end.value_or("")};
}

void fill(part& from, std::string_view end,
          google::protobuf::RepeatedPtrField<v1::RulesetItem>& to) {
  for (auto& row : from.rows) {
    if (!end.empty() && row.key > end)
      return;
    auto& item = *to.Add();
    item.set_key(std::move(row.key));
    item.set_body(std::move(row.body));
    item.set_added_version(row.added_version);
    item.set_removed_version(row.removed_version);
  }
}

} // namespace

v1::RulesetDiff diff_ruleset(database& db, const v1::DiffRuleset& query, const command_env&) {
  auto limit = page_limit(query.limit(), 100, 1'000);
  auto after = read_item_cursor(query.cursor());
  auto set = need_ruleset(db, query.ruleset());
  if (after && query.to_version() != 0 && query.to_version() != after->version)
    throw failure(ec::invalid_argument, "the cursor is of another difference: leave it out");
  // Version 0 is the empty one before the first.
  auto from = query.from_version() == 0 ? 0 : need_version(db, set, query.from_version());
  auto to = need_version(db, set, after ? after->version : query.to_version());
  auto start = after ? after->key : std::string{};
  auto removed = rows_only_in(db, set.id(), {from, to, start}, limit + 1, page_bytes_max);
  auto added = rows_only_in(db, set.id(), {to, from, start}, limit + 1, page_bytes_max);
  auto end = end_of_page(removed, added, static_cast<std::size_t>(limit));
  v1::RulesetDiff out;
  if (!end.empty())
    out.set_next_cursor(make_item_cursor(to, end));
  fill(removed, end, *out.mutable_removed());
  fill(added, end, *out.mutable_added());
  return out;
}

} // namespace troupe::persistence
