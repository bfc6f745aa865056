#include "persistence/commands/rulesets.hpp"

#include "messages/id.hpp"
#include "persistence/api_key.hpp"

#include <fmt/format.h>

#include <algorithm>

namespace troupe::persistence {

namespace {

constexpr std::size_t name_bytes_max = 64;
constexpr std::size_t description_bytes_max = 2'000;
constexpr std::size_t query_bytes_max = 256;
constexpr int rows_a_step = 128; // a body may be large: a page is gathered in steps

bool is_name_letter(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '.'
         || c == '_' || c == '-';
}

void need_name(std::string_view name) {
  if (name.empty() || name.size() > name_bytes_max
      || !std::all_of(name.begin(), name.end(), is_name_letter))
    throw failure(
        ec::invalid_argument,
        fmt::format("name must have 1 to {} letters of ASCII, digits and ._-", name_bytes_max));
}

void need_kind(v1::RulesetKind kind) {
  if (!v1::RulesetKind_IsValid(kind) || kind == v1::RULESET_KIND_UNSPECIFIED)
    throw failure(ec::invalid_argument, "kind is missing: a lexicon, or keywords");
}

failure taken(const v1::Ruleset& set) {
  return {ec::conflict, fmt::format("there is a {} {} already", noun_of(set.kind()), set.name())};
}

void check_name(const v1::RulesetName& name) {
  if (!name.id().empty()) {
    need_id(name.id(), "ruleset.id");
    return;
  }
  need_kind(name.kind());
  need_name(name.name());
}

v1::Ruleset present(std::optional<v1::Ruleset> found, const v1::RulesetName& name) {
  bool right =
      found && (name.kind() == v1::RULESET_KIND_UNSPECIFIED || name.kind() == found->kind());
  if (!right)
    throw failure(ec::not_found, fmt::format("there is no {} {}", noun_of(name.kind()),
                                             name.id().empty() ? name.name() : name.id()));
  return std::move(*found);
}

} // namespace

std::string_view noun_of(v1::RulesetKind kind) {
  switch (kind) {
    case v1::RULESET_KIND_LEXICON:
      return "lexicon";
    case v1::RULESET_KIND_KEYWORDS:
      return "keyword set";
    default:
      return "ruleset";
  }
}

v1::Ruleset need_ruleset(database& db, const v1::RulesetName& name) {
  check_name(name);
  return present(db.rulesets().find(name), name);
}

v1::Ruleset hold_ruleset(database& db, const v1::RulesetName& name) {
  check_name(name);
  return present(db.rulesets().hold(name), name);
}

std::int64_t need_version(database& db, const v1::Ruleset& set, std::int64_t asked) {
  if (asked < 0)
    throw failure(ec::invalid_argument, "a version is a number from 1 on");
  if (asked == 0 || asked == set.version())
    return set.version();
  if (asked > set.version() || !db.rulesets().find_version(set.id(), asked))
    throw failure(ec::not_found, fmt::format("the {} {} has no version {}: the newest one is {}, "
                                             "and the last {} are kept",
                                             noun_of(set.kind()), set.name(), asked, set.version(),
                                             ruleset_versions_kept));
  return asked;
}

std::string make_item_cursor(std::int64_t version, std::string_view key) {
  return make_cursor({version, to_hex(key)});
}

std::optional<item_position> read_item_cursor(std::string_view cursor) {
  auto read = read_cursor(cursor);
  if (!read)
    return std::nullopt;
  item_position out{read->time_us, from_hex(read->id)};
  if (out.key.empty() || out.key.size() > item_key_bytes_max || !is_storable(out.key)
      || out.version < 0)
    throw failure(ec::invalid_argument, "the cursor is not one of ours: take next_cursor of the "
                                        "page before as it is");
  return out;
}

v1::Ruleset create_ruleset(database& db, const v1::CreateRuleset& command, const command_env& env) {
  need_kind(command.kind());
  need_name(command.name());
  need_text(command.description(), description_bytes_max, "description");
  v1::Ruleset out;
  out.set_id(new_id(env.now_us));
  out.set_kind(command.kind());
  out.set_name(command.name());
  out.set_description(command.description());
  out.set_enabled(command.enabled());
  out.set_created_us(env.now_us);
  out.set_updated_us(env.now_us);
  auto there = db.rulesets().list(command.kind());
  auto same = [&](const v1::Ruleset& x) { return x.name() == out.name(); };
  if (there.size() >= static_cast<std::size_t>(rulesets_max)
      && std::none_of(there.begin(), there.end(), same))
    throw failure(ec::conflict,
                  fmt::format("there are {} {}s already, and no more are kept: delete one first",
                              there.size(), noun_of(command.kind())));
  if (!db.rulesets().insert(out))
    throw taken(out);
  return out;
}

v1::Ruleset update_ruleset(database& db, const v1::UpdateRuleset& command, const command_env& env) {
  auto out = hold_ruleset(db, command.ruleset());
  auto before = out.SerializeAsString();
  if (command.has_name()) {
    need_name(command.name());
    out.set_name(command.name());
  }
  if (command.has_description()) {
    need_text(command.description(), description_bytes_max, "description");
    out.set_description(command.description());
  }
  if (command.has_enabled())
    out.set_enabled(command.enabled());
  if (out.SerializeAsString() == before)
    return out;
  out.set_updated_us(env.now_us);
  if (!db.rulesets().update(out))
    throw taken(out);
  return out;
}

v1::Done delete_ruleset(database& db, const v1::DeleteRuleset& command, const command_env&) {
  db.rulesets().erase(hold_ruleset(db, command.ruleset()).id());
  return {};
}

v1::Ruleset get_ruleset(database& db, const v1::GetRuleset& query, const command_env&) {
  return need_ruleset(db, query.ruleset());
}

v1::RulesetList list_rulesets(database& db, const v1::ListRulesets& query, const command_env&) {
  need_kind(query.kind());
  v1::RulesetList out;
  for (auto& set : db.rulesets().list(query.kind()))
    *out.add_rulesets() = std::move(set);
  return out;
}

v1::RulesetItemPage list_ruleset_items(database& db, const v1::ListRulesetItems& query,
                                       const command_env&) {
  auto limit = page_limit(query.limit(), 100, 5'000);
  need_text(query.query(), query_bytes_max, "query");
  auto after = read_item_cursor(query.cursor());
  auto set = need_ruleset(db, query.ruleset());
  if (after && query.version() != 0 && query.version() != after->version)
    throw failure(ec::invalid_argument, "the cursor is of another version: leave version out");
  v1::RulesetItemPage out;
  out.set_version(need_version(db, set, after ? after->version : query.version()));
  std::string last = after ? after->key : std::string{};
  std::int64_t bytes = 0;
  while (true) {
    auto step = std::min(limit - out.items_size() + 1, rows_a_step);
    auto rows = db.rulesets().items(set.id(), out.version(), last, query.query(), step);
    for (auto& row : rows) {
      if (out.items_size() == limit || (bytes > page_bytes_max && out.items_size() > 0)) {
        out.set_next_cursor(make_item_cursor(out.version(), last));
        return out;
      }
      last = row.key;
      bytes += static_cast<std::int64_t>(row.key.size() + row.body.size());
      auto& item = *out.add_items();
      item.set_key(std::move(row.key));
      item.set_body(std::move(row.body));
      item.set_added_version(row.added_version);
      item.set_removed_version(row.removed_version);
    }
    if (rows.size() < static_cast<std::size_t>(step))
      return out;
  }
}

v1::RulesetVersionPage list_ruleset_versions(database& db, const v1::ListRulesetVersions& query,
                                             const command_env&) {
  auto limit = page_limit(query.limit(), 50, 200);
  std::int64_t before = 0;
  if (auto position = read_cursor(query.cursor()))
    before = position->time_us;
  auto set = need_ruleset(db, query.ruleset());
  auto rows = db.rulesets().versions(set.id(), before, limit + 1);
  v1::RulesetVersionPage out;
  if (rows.size() > static_cast<std::size_t>(limit)) {
    rows.pop_back();
    out.set_next_cursor(make_cursor({rows.back().version(), {}}));
  }
  for (auto& row : rows)
    *out.add_versions() = std::move(row);
  return out;
}

} // namespace troupe::persistence
