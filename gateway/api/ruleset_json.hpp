// Rulesets as JSON, and what is asked of them.
#pragma once

#include "gateway/server/exchange.hpp"
#include "troupe/v1/text.pb.h"

#include <caf/expected.hpp>
#include <nlohmann/json.hpp>

#include <string>
#include <string_view>

namespace troupe::gateway {

nlohmann::json to_json(const v1::Ruleset& set);
nlohmann::json to_json(const v1::RulesetVersion& version);
nlohmann::json to_json(const v1::RulesetList& list);
nlohmann::json to_json(const v1::RulesetVersionPage& page);
nlohmann::json to_json(const v1::RulesetChanged& changed);
nlohmann::json to_json(const v1::RulesetEdited& edited);
nlohmann::json to_json(const v1::RulesetLint& lint);
nlohmann::json to_json(const v1::RulesetProblem& problem);

/// Bodies of items are JSON already: they stand in the text as they are.
std::string to_text(const v1::RulesetItemPage& page);
std::string to_text(const v1::RulesetDiff& diff);

// Bodies of requests, without context and the set's name. Errors: `malformed_request`,
// `invalid_argument`.
caf::expected<v1::CreateRuleset> read_create_ruleset(std::string_view body);
caf::expected<v1::UpdateRuleset> read_update_ruleset(std::string_view body);
caf::expected<v1::EditRuleset> read_edit_ruleset(std::string_view body);
caf::expected<v1::RestoreRuleset> read_restore_ruleset(std::string_view body);
caf::expected<v1::LintRuleset> read_lint_ruleset(std::string_view body);

// The same of query strings; the file of an import is the body.
caf::expected<v1::ListRulesetItems> read_item_query(const exchange& x);
caf::expected<v1::ListRulesetVersions> read_version_query(const exchange& x);
caf::expected<v1::DiffRuleset> read_diff_query(const exchange& x);
caf::expected<v1::ImportRuleset> read_import(const exchange& x);
caf::expected<v1::ExportRuleset> read_export_query(const exchange& x);

} // namespace troupe::gateway
