#include "cluster/tool_metrics.hpp"

#include "cluster/metric_families.hpp"

#include <string>

namespace troupe {

namespace {

using prometheus::ClientMetric;
using prometheus::MetricFamily;
using prometheus::MetricType;

using labels = std::vector<ClientMetric::Label>;

void add(MetricFamily& to, labels of, double value) {
  auto& m = to.metric.emplace_back();
  m.label = std::move(of);
  (to.type == MetricType::Gauge ? m.gauge.value : m.counter.value) = value;
}

} // namespace

std::vector<MetricFamily> tool_metrics::Collect() const {
  auto known = places_->status(0);
  MetricFamily calls{"troupe_tool_calls_total",
                     "This node's calls of tools by the node that was asked; short ones are done "
                     "here and not weighed.",
                     MetricType::Counter,
                     {}};
  MetricFamily in_flight{"troupe_tool_in_flight",
                         "Of those calls, by the node that works on them.",
                         MetricType::Gauge,
                         {}};
  MetricFamily served{"troupe_tool_served_total", "Calls of other nodes.", MetricType::Counter, {}};
  for (const auto& [tool, counts] : known.tools) {
    add(calls, {{"tool", tool}, {"node", known.name}, {"outcome", "short"}},
        static_cast<double>(counts.brief));
    for (const auto& [node, x] : counts.nodes) {
      add(calls, {{"tool", tool}, {"node", node}, {"outcome", "done"}},
          static_cast<double>(x.done));
      add(calls, {{"tool", tool}, {"node", node}, {"outcome", "failed_over"}},
          static_cast<double>(x.failed_over));
      add(in_flight, {{"tool", tool}, {"node", node}}, static_cast<double>(x.in_flight));
    }
    add(served, {{"tool", tool}, {"outcome", "taken"}}, static_cast<double>(counts.served));
    add(served, {{"tool", tool}, {"outcome", "refused"}}, static_cast<double>(counts.refused));
  }
  return {std::move(calls), std::move(in_flight), std::move(served),
          gauge("troupe_tool_bytes", "Bytes of tools' work in hand here, of others too.",
                known.here.bytes)};
}

} // namespace troupe
