// What Prometheus reads of the public HTTP server.
#pragma once

#include "gateway/server/probe.hpp"

#include <prometheus/collectable.h>

#include <vector>

namespace troupe::gateway::ops {

/// troupe_http_*. `server` outlives it.
class gateway_metrics final : public prometheus::Collectable {
public:
  explicit gateway_metrics(const gateway_probe& server) : server_(server) {}
  std::vector<prometheus::MetricFamily> Collect() const override;

private:
  const gateway_probe& server_;
};

} // namespace troupe::gateway::ops
