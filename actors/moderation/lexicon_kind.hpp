// Lexicons as a kind of rulesets: an item is one entry, and at work they are one matcher.
#pragma once

#include "actors/moderation/entry.hpp"
#include "actors/moderation/word_watch.hpp"
#include "actors/rulesets/ruleset_kind.hpp"

#include <memory>
#include <string>
#include <vector>

namespace troupe::moderation {

/// The key of an item: the beginning of the entry's text, and a hash of what makes entries the same
/// thing (text, kind, tenant and channel). Keys order by the texts.
std::string item_key(const entry& one);

/// A lexicon from its items. Items that cannot be read are left out and told.
lexicon lexicon_of(const rulesets::loaded_ruleset& set, std::vector<v1::RulesetProblem>& problems);

class lexicon_kind final : public rulesets::ruleset_kind {
public:
  explicit lexicon_kind(std::shared_ptr<word_watch> watch) : watch_(std::move(watch)) {}

  v1::RulesetKind kind() const override { return v1::RULESET_KIND_LEXICON; }
  std::string_view noun() const override { return "lexicon"; }
  rulesets::checked_item check(std::string_view json) const override;
  rulesets::checked_item identify(std::string_view json) const override;
  rulesets::imported_items import_file(std::string_view file, std::string_view format,
                                       std::string_view encoding,
                                       std::string_view defaults_json) const override;
  rulesets::exported_items export_items(const rulesets::loaded_ruleset& set,
                                        std::string_view format) const override;
  std::vector<v1::RulesetProblem> lint(const rulesets::loaded_ruleset& set,
                                       std::string_view ordinary_text) const override;
  /// The entries of all sets in one matcher, so that a text is looked at once; each knows its set.
  /// An allowed word of one set holds for all of them.
  rulesets::made_summary put_to_work(std::vector<rulesets::loaded_ruleset> sets) override;

private:
  std::shared_ptr<word_watch> watch_;
};

} // namespace troupe::moderation
