// What is asked to be changed in a ruleset, made into what is stored. No CAF.
#pragma once

#include "actors/rulesets/ruleset_kind.hpp"
#include "messages/error.hpp"

#include <cstddef>
#include <string>

namespace troupe::rulesets {

/// The text of an imported file.
inline constexpr std::size_t import_bytes_max = 64 * 1'024 * 1'024;

/// A change that was looked at.
struct checked_change {
  v1::ChangeRuleset change; // without the ruleset's name
  v1::RulesetEdited answer; // with the problems; nothing of the store
  ec refused = ec::none;    // then `fault` says why
  std::string fault;
  bool keep_out = false; // has problems: nothing is to be stored
};

checked_change check_edit(const ruleset_kind& kind, const v1::EditRuleset& command);
checked_change check_import(const ruleset_kind& kind, const v1::ImportRuleset& command);

} // namespace troupe::rulesets
