// What Prometheus reads of a node's part in the cluster.
#pragma once

#include "cluster/link/links.hpp"
#include "cluster/membership/membership.hpp"
#include "cluster/sharding/shard_region.hpp"

#include <prometheus/collectable.h>

#include <atomic>
#include <functional>
#include <memory>
#include <vector>

namespace troupe {

/// troupe_cluster_* and troupe_link_*.
class cluster_metrics final : public prometheus::Collectable {
public:
  cluster_metrics(std::shared_ptr<const membership_probe> membership,
                  std::shared_ptr<const shard_probe> shards,
                  std::shared_ptr<const link_probe> links,
                  std::shared_ptr<const std::atomic<std::uint64_t>> fenced_writes,
                  std::function<ClusterView()> view) :
      membership_(std::move(membership)),
      shards_(std::move(shards)),
      links_(std::move(links)),
      fenced_writes_(std::move(fenced_writes)),
      view_(std::move(view)) {}
  std::vector<prometheus::MetricFamily> Collect() const override;

private:
  std::shared_ptr<const membership_probe> membership_;
  std::shared_ptr<const shard_probe> shards_;
  std::shared_ptr<const link_probe> links_;
  std::shared_ptr<const std::atomic<std::uint64_t>> fenced_writes_;
  std::function<ClusterView()> view_;
};

} // namespace troupe
