#include "gateway/ops/metrics.hpp"

#include <prometheus/client_metric.h>
#include <prometheus/metric_family.h>
#include <prometheus/text_serializer.h>

#include <sys/resource.h>
#include <unistd.h>

#include <array>
#include <ctime>
#include <filesystem>
#include <fstream>
#include <functional>
#include <iterator>
#include <limits>
#include <sstream>

namespace troupe::gateway::ops {

namespace {

using prometheus::ClientMetric;
using prometheus::MetricFamily;
using prometheus::MetricType;

struct actor_family {
  const char* name;
  const char* help;
  MetricType type;
  double (*read)(const actor_type_probe&);
};

const std::array actor_families{
    actor_family{"troupe_actor_live", "Actors alive.", MetricType::Gauge,
                 [](auto& t) { return static_cast<double>(t.live.load()); }},
    actor_family{"troupe_actor_spawned_total", "Actors made.", MetricType::Counter,
                 [](auto& t) { return static_cast<double>(t.spawned.load()); }},
    actor_family{"troupe_actor_mailbox_depth", "Messages waiting in all mailboxes of the type.",
                 MetricType::Gauge, [](auto& t) { return static_cast<double>(t.depth.load()); }},
    actor_family{"troupe_actor_mailbox_max", "Bound of one mailbox; 0: none.", MetricType::Gauge,
                 [](auto& t) { return static_cast<double>(t.mailbox_max.load()); }},
    actor_family{"troupe_actor_handled_total", "Messages handled.", MetricType::Counter,
                 [](auto& t) { return static_cast<double>(t.handled.load()); }},
    actor_family{"troupe_actor_failed_total", "Handlers that threw.", MetricType::Counter,
                 [](auto& t) { return static_cast<double>(t.failed.load()); }},
    actor_family{"troupe_actor_restarted_total", "Restarts after a failure.", MetricType::Counter,
                 [](auto& t) { return static_cast<double>(t.restarted.load()); }},
    actor_family{"troupe_actor_shed_total", "Messages refused because the mailbox was full.",
                 MetricType::Counter, [](auto& t) { return static_cast<double>(t.shed.load()); }},
};

ClientMetric of_type(const actor_type_probe& t) {
  ClientMetric m;
  m.label.push_back({"type", t.name});
  return m;
}

MetricFamily single(std::string name, std::string help, MetricType type, double value) {
  MetricFamily f{std::move(name), std::move(help), type, {}};
  ClientMetric m;
  (type == MetricType::Counter ? m.counter.value : m.gauge.value) = value;
  f.metric.push_back(std::move(m));
  return f;
}

double cpu_seconds() {
  rusage usage{};
  getrusage(RUSAGE_SELF, &usage);
  auto seconds = [](const timeval& t) {
    return static_cast<double>(t.tv_sec) + static_cast<double>(t.tv_usec) / 1e6;
  };
  return seconds(usage.ru_utime) + seconds(usage.ru_stime);
}

double resident_bytes() {
  std::ifstream in{"/proc/self/statm"};
  std::uint64_t all = 0;
  std::uint64_t resident = 0;
  in >> all >> resident;
  return static_cast<double>(resident) * static_cast<double>(sysconf(_SC_PAGESIZE));
}

double open_descriptors() {
  std::error_code failed;
  std::filesystem::directory_iterator all{"/proc/self/fd", failed};
  return failed ? 0 : static_cast<double>(std::distance(begin(all), end(all)));
}

double start_time_seconds() {
  static const auto start = static_cast<double>(std::time(nullptr));
  return start;
}

// The process begins when its statics do.
[[maybe_unused]] const auto started = start_time_seconds();

} // namespace

ClientMetric::Histogram histogram_of(const latency_histogram& counted) {
  ClientMetric::Histogram h;
  std::uint64_t sum = 0;
  for (std::size_t i = 0; i < latency_histogram::buckets; ++i) {
    sum += counted.count(i);
    auto is_last = i + 1 == latency_histogram::buckets;
    auto bound = is_last ? std::numeric_limits<double>::infinity()
                         : static_cast<double>(std::uint64_t{1} << i) / 1e6;
    h.bucket.push_back({sum, bound});
  }
  h.sample_count = sum;
  h.sample_sum = counted.sum_seconds();
  return h;
}

std::vector<MetricFamily> actor_metrics::Collect() const {
  auto types = probes_.types();
  std::vector<MetricFamily> result;
  for (const auto& family : actor_families) {
    MetricFamily f{family.name, family.help, family.type, {}};
    for (const auto* t : types) {
      auto m = of_type(*t);
      (family.type == MetricType::Counter ? m.counter.value : m.gauge.value) = family.read(*t);
      f.metric.push_back(std::move(m));
    }
    result.push_back(std::move(f));
  }
  MetricFamily latency{
      "troupe_actor_handling_seconds", "Time to handle one message.", MetricType::Histogram, {}};
  for (const auto* t : types) {
    auto m = of_type(*t);
    m.histogram = histogram_of(t->latency);
    latency.metric.push_back(std::move(m));
  }
  result.push_back(std::move(latency));
  return result;
}

std::vector<MetricFamily> process_metrics::Collect() const {
  std::vector<MetricFamily> result{
      single("process_cpu_seconds_total", "User and system CPU time.", MetricType::Counter,
             cpu_seconds()),
      single("process_resident_memory_bytes", "Resident memory.", MetricType::Gauge,
             resident_bytes()),
      single("process_open_fds", "Open file descriptors.", MetricType::Gauge, open_descriptors()),
      single("process_start_time_seconds", "When the process began, since 1970.", MetricType::Gauge,
             start_time_seconds()),
      single("troupe_build_info", "Always 1; the version is a label.", MetricType::Gauge, 1)};
  result.back().metric.front().label.push_back({"version", TROUPE_VERSION});
  return result;
}

std::string metrics_text(const std::vector<std::shared_ptr<prometheus::Collectable>>& sources) {
  std::vector<MetricFamily> all;
  for (const auto& source : sources) {
    auto families = source->Collect();
    std::move(families.begin(), families.end(), std::back_inserter(all));
  }
  std::ostringstream out;
  prometheus::TextSerializer{}.Serialize(out, all);
  return std::move(out).str();
}

} // namespace troupe::gateway::ops
