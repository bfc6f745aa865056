// What the commands on rulesets share.
#pragma once

#include "persistence/commands/check.hpp"

#include <string>
#include <string_view>

namespace troupe::persistence {

/// `lexicon`, `keyword set`; `ruleset` of none.
std::string_view noun_of(v1::RulesetKind kind);

/// The set of that id or name; throws `not_found`, or `invalid_argument` for a name that is none.
v1::Ruleset need_ruleset(database& db, const v1::RulesetName& name);
/// The same, held until the transaction ends: for who changes it.
v1::Ruleset hold_ruleset(database& db, const v1::RulesetName& name);

/// The version asked for (0: the newest), which is there; throws `not_found` otherwise. A set that
/// never had anything in it has version 0 alone.
std::int64_t need_version(database& db, const v1::Ruleset& set, std::int64_t asked);

/// Where a page of items ended. Opaque to clients.
std::string make_item_cursor(std::int64_t version, std::string_view key);
struct item_position {
  std::int64_t version = 0;
  std::string key;
};
/// Nothing for an empty cursor; throws `invalid_argument` for one that we never made.
std::optional<item_position> read_item_cursor(std::string_view cursor);

} // namespace troupe::persistence
