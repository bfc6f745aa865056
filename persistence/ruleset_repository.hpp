// Rulesets and what is recorded of their use, as repositories. See repositories.hpp for the rules.
#pragma once

#include "troupe/v1/text.pb.h"

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace troupe::persistence {

/// One row of an item's history.
struct item_row {
  std::string key;
  std::string body;
  std::int64_t added_version = 0;
  std::int64_t removed_version = 0; // 0: it is in the newest version
};

class ruleset_repository {
public:
  virtual ~ruleset_repository() = default;
  /// False if the id, or the name in its kind, is taken.
  virtual bool insert(const v1::Ruleset& ruleset) = 0;
  virtual std::optional<v1::Ruleset> find(const v1::RulesetName& name) = 0;
  /// The same, and no other transaction holds or changes it until this one ends. Who changes
  /// anything of a ruleset holds it first.
  virtual std::optional<v1::Ruleset> hold(const v1::RulesetName& name) = 0;
  /// Writes everything but the id, the kind and the time of creation. False if there is none, or
  /// another one has the name.
  virtual bool update(const v1::Ruleset& ruleset) = 0;
  /// With its items and versions.
  virtual bool erase(std::string_view id) = 0;
  /// In order of the names.
  virtual std::vector<v1::Ruleset> list(v1::RulesetKind kind) = 0;

  virtual void insert_version(std::string_view id, const v1::RulesetVersion& version) = 0;
  virtual std::optional<v1::RulesetVersion> find_version(std::string_view id,
                                                         std::int64_t version) = 0;
  /// Newest first, those before `before_version` (0: from the newest).
  virtual std::vector<v1::RulesetVersion> versions(std::string_view id, std::int64_t before_version,
                                                   int limit) = 0;

  /// Items of a version in order of their keys (by bytes), after `after_key`, whose body contains
  /// `part` (compared without case where the database can; empty: all).
  virtual std::vector<item_row> items(std::string_view id, std::int64_t version,
                                      std::string_view after_key, std::string_view part,
                                      int limit) = 0;
  /// The item of the newest version with this key.
  virtual std::optional<item_row> find_item(std::string_view id, std::string_view key) = 0;
  /// Adds rows that are not there yet.
  virtual void insert_items(std::string_view id, const std::vector<item_row>& rows) = 0;
  /// Marks the items of the newest version with these keys as removed by `version`; returns how
  /// many there were.
  virtual std::int64_t remove_items(std::string_view id, const std::vector<std::string>& keys,
                                    std::int64_t version) = 0;
  /// Items of `from` that are not in `to`, or there with another body, in order of their keys,
  /// after `after_key`.
  virtual std::vector<item_row> items_only_in(std::string_view id, std::int64_t from,
                                              std::int64_t to, std::string_view after_key,
                                              int limit) = 0;
  /// Forgets versions before `version`, then the items that only they had; at most `limit` rows a
  /// call. Returns how many.
  virtual std::int64_t forget_before(std::string_view id, std::int64_t version, int limit) = 0;
};

/// Which hits; times select [from_us, to_us) (0: no limit), empty texts select all.
struct hit_filter {
  std::string category;
  std::string action;
  std::string conversation_id;
  std::int64_t from_us = 0;
  std::int64_t to_us = 0;
};

class moderation_hit_repository {
public:
  virtual ~moderation_hit_repository() = default;
  /// Those whose id is there already are left alone.
  virtual void insert_all(const google::protobuf::RepeatedPtrField<v1::ModerationHit>& hits) = 0;
  /// Newest first, those before (before_us, before_id) (0: from the newest).
  virtual std::vector<v1::ModerationHit> list(const hit_filter& filter, std::int64_t before_us,
                                              std::string_view before_id, int limit) = 0;
  /// Erases hits from before `before_us`; returns how many.
  virtual std::int64_t purge(std::int64_t before_us, int limit) = 0;
};

class keyword_count_repository {
public:
  virtual ~keyword_count_repository() = default;
  /// Replaces what the node wrote before.
  virtual void save(std::string_view node, std::string_view counts, std::int64_t now_us) = 0;
  /// Of all nodes, in order of their names.
  virtual std::vector<v1::SaveKeywordCounts> all() = 0;
  /// Erases those not written since `before_us`; returns how many.
  virtual std::int64_t purge(std::int64_t before_us, int limit) = 0;
};

} // namespace troupe::persistence
