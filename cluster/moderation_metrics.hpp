// What Prometheus reads of moderation.
#pragma once

#include "actors/moderation/moderation_probe.hpp"

#include <prometheus/collectable.h>

#include <memory>
#include <vector>

namespace troupe {

/// troupe_moderation_*.
class moderation_metrics final : public prometheus::Collectable {
public:
  explicit moderation_metrics(std::shared_ptr<const moderation_probe> counts) :
      counts_(std::move(counts)) {}
  std::vector<prometheus::MetricFamily> Collect() const override;

private:
  std::shared_ptr<const moderation_probe> counts_;
};

} // namespace troupe
