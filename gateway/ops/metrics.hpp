// What Prometheus reads beyond the registry: actors and the process.
#pragma once

#include "messages/probe.hpp"

#include <prometheus/client_metric.h>
#include <prometheus/collectable.h>

#include <memory>
#include <string>
#include <vector>

namespace troupe::gateway::ops {

/// Prometheus's form of a histogram. Each count is read once, so that the buckets and their sum
/// agree while it goes on counting.
prometheus::ClientMetric::Histogram histogram_of(const latency_histogram& counted);

/// troupe_actor_* per actor type. `all` outlives it.
class actor_metrics final : public prometheus::Collectable {
public:
  explicit actor_metrics(const probes& all) : probes_(all) {}
  std::vector<prometheus::MetricFamily> Collect() const override;

private:
  const probes& probes_;
};

/// process_* (CPU, memory, descriptors, start) and troupe_build_info.
class process_metrics final : public prometheus::Collectable {
public:
  std::vector<prometheus::MetricFamily> Collect() const override;
};

/// All of them in Prometheus's text format.
std::string metrics_text(const std::vector<std::shared_ptr<prometheus::Collectable>>& sources);

} // namespace troupe::gateway::ops
