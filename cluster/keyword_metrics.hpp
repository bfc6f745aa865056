// What a node's keywords answered, for Prometheus.
#pragma once

#include "actors/keywords/rule_usage.hpp"

#include <prometheus/collectable.h>
#include <prometheus/metric_family.h>

#include <memory>
#include <utility>
#include <vector>

namespace troupe {

class keyword_metrics final : public prometheus::Collectable {
public:
  keyword_metrics(std::shared_ptr<const keywords::rule_usage> usage,
                  std::shared_ptr<const keywords::live_rules> rules) :
      usage_(std::move(usage)), rules_(std::move(rules)) {}

  std::vector<prometheus::MetricFamily> Collect() const override;

private:
  std::shared_ptr<const keywords::rule_usage> usage_;
  std::shared_ptr<const keywords::live_rules> rules_;
};

} // namespace troupe
