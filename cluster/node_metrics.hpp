// What Prometheus reads of a node's own parts.
#pragma once

#include "actors/account/usage_intake.hpp"
#include "gateway/server/kept_answers.hpp"

#include <prometheus/collectable.h>

#include <memory>
#include <vector>

namespace troupe {

/// troupe_ledger_* and troupe_gateway_kept_answers_total. `kept` outlives it.
class node_metrics final : public prometheus::Collectable {
public:
  node_metrics(std::shared_ptr<const ledger_counts> ledger, const gateway::kept_probe& kept) :
      ledger_(std::move(ledger)), kept_(kept) {}
  std::vector<prometheus::MetricFamily> Collect() const override;

private:
  std::shared_ptr<const ledger_counts> ledger_;
  const gateway::kept_probe& kept_;
};

} // namespace troupe
