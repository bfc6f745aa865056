// Keyword rules as rulesets: an item is one rule, and its key is the rule's id. No CAF.
#pragma once

#include "actors/keywords/matcher.hpp"
#include "actors/rulesets/ruleset_kind.hpp"

#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace troupe::keywords {

/// What stands between a set's name and the id of its rule in the sets at work. No set's name has
/// it, so that rules of different sets may have one id.
inline constexpr char set_divider = ':';

/// The set's name and the rule's id, of an id at work.
std::string_view set_of(std::string_view id_at_work) noexcept;
std::string_view rule_of(std::string_view id_at_work) noexcept;
/// `set/rule`: how people see it.
std::string shown_id(std::string_view id_at_work);

/// What people write keywords with: `matcher_options` with room for ids of `set:rule`.
matcher_options options_at_work();

/// The rules of sets, each with its id at work, in the order of the sets. What cannot be read is
/// left out and told.
std::vector<rule> rules_of(const std::vector<rulesets::loaded_ruleset>& sets,
                           std::vector<v1::RulesetProblem>& problems);

/// One set of rules made ready, to try it alone: disabled rules stay out. What cannot be used is
/// left out. Never null.
std::shared_ptr<const matcher> compile_sets(const std::vector<rulesets::loaded_ruleset>& sets,
                                            std::vector<v1::RulesetProblem>& problems);

class keyword_kind final : public rulesets::ruleset_kind {
public:
  explicit keyword_kind(std::shared_ptr<live_rules> live) : live_(std::move(live)) {}

  v1::RulesetKind kind() const override { return v1::RULESET_KIND_KEYWORDS; }
  std::string_view noun() const override { return "keyword set"; }
  rulesets::checked_item check(std::string_view json) const override;
  rulesets::checked_item identify(std::string_view json) const override;
  /// `format`: json (an object with `rules`, or their array) or csv. There are no defaults.
  rulesets::imported_items import_file(std::string_view file, std::string_view format,
                                       std::string_view encoding,
                                       std::string_view defaults_json) const override;
  rulesets::exported_items export_items(const rulesets::loaded_ruleset& set,
                                        std::string_view format) const override;
  std::vector<v1::RulesetProblem> lint(const rulesets::loaded_ruleset& set,
                                       std::string_view ordinary_text) const override;
  rulesets::made_summary put_to_work(std::vector<rulesets::loaded_ruleset> sets) override;

private:
  std::shared_ptr<live_rules> live_;
};

} // namespace troupe::keywords
