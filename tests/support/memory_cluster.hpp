// The cluster's tables in memory, with a clock of their own: for simulations and for the tests of
// the commands on them. One transaction at a time.
#pragma once

#include "persistence/cluster_repository.hpp"

#include <cstdint>
#include <functional>
#include <optional>
#include <string_view>
#include <utility>
#include <vector>

namespace troupe::test {

class memory_cluster final : public persistence::cluster_repository {
public:
  /// Calls `work` with these tables; what it wrote is undone if it throws.
  template <class Work>
  auto transact(Work&& work) {
    undo_.clear();
    try {
      return work(static_cast<persistence::cluster_repository&>(*this));
    } catch (...) {
      roll_back();
      throw;
    }
  }

  std::int64_t clock_us = 1;

  /// Grows with each write to nodes (renewals aside) and to shards.
  std::uint64_t changes() const { return changes_; }
  const std::vector<v1::Node>& node_rows() const { return nodes_; }
  const std::vector<v1::Shard>& shard_rows() const { return shards_; }
  const std::vector<v1::Suspicion>& suspicion_rows() const { return suspicions_; }
  const v1::Node* node_row(std::string_view name) const;

  std::int64_t now_us() override { return clock_us; }
  persistence::cluster_state state(bool lock) override;
  void put_state(const persistence::cluster_state& state) override;
  std::vector<v1::Node> nodes() override { return nodes_; }
  std::optional<v1::Node> find_node(std::string_view name) override;
  void put_node(const v1::Node& node) override;
  bool renew(std::string_view name, std::int64_t incarnation, std::int64_t lease_until_us) override;
  bool mark_dead(std::string_view name, std::int64_t incarnation, std::int64_t now_us) override;
  std::vector<v1::Suspicion> suspicions() override { return suspicions_; }
  void add_suspicion(const v1::Suspicion& suspicion) override;
  void erase_suspicions_by(std::string_view by) override;
  void erase_suspicions_of(std::string_view node) override;
  std::vector<v1::Shard> shards() override { return shards_; }
  void make_shards(int count) override;
  bool assign(int shard, std::int64_t epoch, std::string_view owner,
              std::int64_t incarnation) override;
  std::int64_t take_over(std::string_view owner, std::int64_t incarnation) override;
  bool set_target(int shard, std::int64_t epoch, std::string_view target) override;
  std::int64_t hold_epoch(int shard) override;

private:
  v1::Node* member(std::string_view name, std::int64_t incarnation);
  v1::Shard* shard_at(int shard, std::int64_t epoch);
  void keep_suspicions();
  void keep(v1::Shard& shard);
  void roll_back();

  persistence::cluster_state state_;
  std::vector<v1::Node> nodes_;           // in order of their names
  std::vector<v1::Suspicion> suspicions_; // in order of by, node
  std::vector<v1::Shard> shards_;         // at the index of their ids
  std::uint64_t changes_ = 0;
  std::vector<std::function<void()>> undo_; // the last first
};

} // namespace troupe::test
