// A kind of rulesets for tests: an item is {"key": ..., "n": ...}.
#pragma once

#include "actors/rulesets/ruleset_kind.hpp"

#include <mutex>
#include <string>
#include <vector>

namespace troupe::test {

class fake_ruleset_kind final : public rulesets::ruleset_kind {
public:
  v1::RulesetKind kind() const override { return v1::RULESET_KIND_LEXICON; }
  std::string_view noun() const override { return "lexicon"; }
  /// A key of "bad" is a fault.
  rulesets::checked_item check(std::string_view json) const override;
  rulesets::checked_item identify(std::string_view json) const override;
  /// A key a line; `!` begins a line with a problem. Format "none" cannot be read.
  rulesets::imported_items import_file(std::string_view file, std::string_view format,
                                       std::string_view encoding,
                                       std::string_view defaults_json) const override;
  /// A body a line. Format "none" cannot hold them.
  rulesets::exported_items export_items(const rulesets::loaded_ruleset& set,
                                        std::string_view format) const override;
  /// A problem for every item that has `ordinary_text` in it.
  std::vector<v1::RulesetProblem> lint(const rulesets::loaded_ruleset& set,
                                       std::string_view ordinary_text) const override;
  rulesets::made_summary put_to_work(std::vector<rulesets::loaded_ruleset> sets) override;

  /// What is at work: "name@version:items ..." of each set.
  std::string at_work() const;
  int times_made() const;
  /// `put_to_work` and `lint` throw.
  void break_down(bool broken);

private:
  mutable std::mutex mutex_;
  std::string at_work_;
  int times_made_ = 0;
  bool broken_ = false;
};

} // namespace troupe::test
