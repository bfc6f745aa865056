// Rulesets and what is recorded of their use; each class in its own .cpp.
#pragma once

#include "persistence/soci/sql_repositories.hpp"

namespace troupe::persistence {

class sql_rulesets final : public ruleset_repository {
public:
  explicit sql_rulesets(sql_session& sql);
  bool insert(const v1::Ruleset& ruleset) override;
  std::optional<v1::Ruleset> find(const v1::RulesetName& name) override;
  std::optional<v1::Ruleset> hold(const v1::RulesetName& name) override;
  bool update(const v1::Ruleset& ruleset) override;
  bool erase(std::string_view id) override;
  std::vector<v1::Ruleset> list(v1::RulesetKind kind) override;
  void insert_version(std::string_view id, const v1::RulesetVersion& version) override;
  std::optional<v1::RulesetVersion> find_version(std::string_view id,
                                                 std::int64_t version) override;
  std::vector<v1::RulesetVersion> versions(std::string_view id, std::int64_t before_version,
                                           int limit) override;
  std::vector<item_row> items(std::string_view id, std::int64_t version, std::string_view after_key,
                              std::string_view part, int limit) override;
  std::optional<item_row> find_item(std::string_view id, std::string_view key) override;
  void insert_items(std::string_view id, const std::vector<item_row>& rows) override;
  std::int64_t remove_items(std::string_view id, const std::vector<std::string>& keys,
                            std::int64_t version) override;
  std::vector<item_row> items_only_in(std::string_view id, std::int64_t from, std::int64_t to,
                                      std::string_view after_key, int limit) override;
  std::int64_t forget_before(std::string_view id, std::int64_t version, int limit) override;

private:
  std::optional<v1::Ruleset> find_with(const v1::RulesetName& name, const std::string& by_id,
                                       const std::string& by_name);

  sql_session& sql_;
  std::string insert_;
  std::string find_by_id_;
  std::string find_by_name_;
  std::string hold_by_id_;
  std::string hold_by_name_;
  std::string insert_rows_;
  std::string remove_rows_;
  std::string items_with_;
  std::string forget_versions_;
  std::string forget_items_;
};

class sql_moderation_hits final : public moderation_hit_repository {
public:
  explicit sql_moderation_hits(sql_session& sql);
  void insert_all(const google::protobuf::RepeatedPtrField<v1::ModerationHit>& hits) override;
  std::vector<v1::ModerationHit> list(const hit_filter& filter, std::int64_t before_us,
                                      std::string_view before_id, int limit) override;
  std::int64_t purge(std::int64_t before_us, int limit) override;

private:
  sql_session& sql_;
  std::string insert_;
  std::string purge_;
};

class sql_keyword_counts final : public keyword_count_repository {
public:
  explicit sql_keyword_counts(sql_session& sql);
  void save(std::string_view node, std::string_view counts, std::int64_t now_us) override;
  std::vector<v1::SaveKeywordCounts> all() override;
  std::int64_t purge(std::int64_t before_us, int limit) override;

private:
  sql_session& sql_;
  std::string insert_;
  std::string purge_;
};

} // namespace troupe::persistence
