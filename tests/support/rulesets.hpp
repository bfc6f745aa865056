// Commands on rulesets, for tests of the store and of those who use it.
#pragma once

#include "persistence/commands.hpp"

#include <map>
#include <string>
#include <vector>

namespace troupe::test {

v1::RulesetName named(const std::string& name, v1::RulesetKind kind = v1::RULESET_KIND_LEXICON);
v1::Ruleset make_ruleset(persistence::database& db, const std::string& name,
                         v1::RulesetKind kind = v1::RULESET_KIND_LEXICON);
v1::ChangeRuleset change_of(const std::string& name, const std::map<std::string, std::string>& put,
                            const std::vector<std::string>& remove = {});
/// All items of a version (0: the newest), read by pages: body by key.
std::map<std::string, std::string> items_of(persistence::database& db, const std::string& name,
                                            std::int64_t version = 0, int page = 5'000);
/// How many versions there are.
std::int64_t versions_of(persistence::database& db, const std::string& name);

/// What `function` was refused with; `ec::none` if it was not.
template <class Function>
persistence::failure refusal_of(Function&& function) {
  try {
    function();
  } catch (const persistence::failure& error) {
    return error;
  }
  return {ec::none, "it was not refused"};
}

} // namespace troupe::test
