// The cluster's tables: who is a member, and who owns a shard. Used inside the transaction of the
// `database` it belongs to; throws `failure`. The commands on it are in
// persistence/cluster_commands.hpp.
#pragma once

#include "troupe/v1/cluster.pb.h"

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace troupe::persistence {

/// The one row about the cluster itself.
struct cluster_state {
  std::string cluster_id; // empty: no node ever joined
  std::int64_t version = 0;
  std::string leader; // empty: nobody
  std::int64_t leader_incarnation = 0;
  std::int64_t leader_until_us = 0;
};

class cluster_repository {
public:
  virtual ~cluster_repository() = default;

  /// The database's clock, in UTC microseconds: the same for every node.
  virtual std::int64_t now_us() = 0;

  /// With `lock`, no other transaction reads it so until this one ends: also while there is none
  /// yet.
  virtual cluster_state state(bool lock) = 0;
  /// Within a transaction that locked it.
  virtual void put_state(const cluster_state& state) = 0;

  /// In order of their names.
  virtual std::vector<v1::Node> nodes() = 0;
  virtual std::optional<v1::Node> find_node(std::string_view name) = 0;
  /// Adds it, or replaces the one of that name.
  virtual void put_node(const v1::Node& node) = 0;
  /// False if that incarnation is not there, or neither up nor leaving.
  virtual bool renew(std::string_view name, std::int64_t incarnation,
                     std::int64_t lease_until_us) = 0;
  /// False if that incarnation is not there, is neither up nor leaving, or has a lease beyond
  /// `now_us`: one that was renewed since it was read, too.
  virtual bool mark_dead(std::string_view name, std::int64_t incarnation, std::int64_t now_us) = 0;

  virtual std::vector<v1::Suspicion> suspicions() = 0;
  virtual void add_suspicion(const v1::Suspicion& suspicion) = 0;
  /// Those that `by` has of others.
  virtual void erase_suspicions_by(std::string_view by) = 0;
  /// Those that others have of `node`.
  virtual void erase_suspicions_of(std::string_view node) = 0;

  /// In order of their ids.
  virtual std::vector<v1::Shard> shards() = 0;
  /// Adds shards 0 to count - 1 without an owner, with epoch 0.
  virtual void make_shards(int count) = 0;
  /// Changes the owner of a shard that still has that epoch, and adds one to it; no target is left.
  virtual bool assign(int shard, std::int64_t epoch, std::string_view owner,
                      std::int64_t incarnation) = 0;
  /// Every shard of `owner` at once: its new incarnation, each epoch grown by one. How many.
  virtual std::int64_t take_over(std::string_view owner, std::int64_t incarnation) = 0;
  /// Asks the owner of a shard that still has that epoch to hand it over; empty: not any more.
  virtual bool set_target(int shard, std::int64_t epoch, std::string_view target) = 0;
  /// The shard's epoch, which no other transaction changes until this one ends; -1: no such shard.
  /// Within a transaction that may write.
  virtual std::int64_t hold_epoch(int shard) = 0;
};

} // namespace troupe::persistence
