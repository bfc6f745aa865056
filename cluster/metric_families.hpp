// How a node's own metrics are put together.
#pragma once

#include <prometheus/metric_family.h>

#include <cstdint>

namespace troupe {

/// A gauge without labels.
inline prometheus::MetricFamily gauge(const char* name, const char* help, std::int64_t value) {
  prometheus::ClientMetric m;
  m.gauge.value = static_cast<double>(value);
  return {name, help, prometheus::MetricType::Gauge, {m}};
}

/// Adds a counter of one label to a family.
inline void add_counter(prometheus::MetricFamily& to, const char* label, const char* of,
                        std::uint64_t value) {
  prometheus::ClientMetric m;
  m.label.push_back({label, of});
  m.counter.value = static_cast<double>(value);
  to.metric.push_back(std::move(m));
}

} // namespace troupe
