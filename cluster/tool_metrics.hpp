// What Prometheus reads of tools and who does their work.
#pragma once

#include "cluster/tools/tool_places.hpp"

#include <prometheus/collectable.h>

#include <memory>
#include <vector>

namespace troupe {

/// troupe_tool_*.
class tool_metrics final : public prometheus::Collectable {
public:
  explicit tool_metrics(std::shared_ptr<const tool_places> places) : places_(std::move(places)) {}
  std::vector<prometheus::MetricFamily> Collect() const override;

private:
  std::shared_ptr<const tool_places> places_;
};

} // namespace troupe
