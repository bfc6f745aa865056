#include "gateway/ops/gateway_metrics.hpp"

#include "gateway/ops/metrics.hpp"

#include <prometheus/metric_family.h>

#include <array>
#include <string>
#include <utility>

namespace troupe::gateway::ops {

namespace {

using prometheus::ClientMetric;
using prometheus::MetricFamily;
using prometheus::MetricType;

struct server_family {
  const char* name;
  const char* help;
  MetricType type;
  double (*read)(const gateway_probe&);
};

const std::array families{
    server_family{"troupe_http_connections", "Connections open.", MetricType::Gauge,
                  [](auto& p) { return static_cast<double>(p.connections.load()); }},
    server_family{"troupe_http_connections_total", "Connections accepted.", MetricType::Counter,
                  [](auto& p) { return static_cast<double>(p.connections_total.load()); }},
    server_family{"troupe_http_requests_running", "Requests without an ended answer.",
                  MetricType::Gauge,
                  [](auto& p) { return static_cast<double>(p.requests_running.load()); }},
    server_family{"troupe_http_requests_total", "Requests read.", MetricType::Counter,
                  [](auto& p) { return static_cast<double>(p.requests_total.load()); }},
    server_family{"troupe_http_streams_open", "Streamed answers running.", MetricType::Gauge,
                  [](auto& p) { return static_cast<double>(p.streams_open.load()); }},
    server_family{"troupe_http_websockets_open", "WebSockets open.", MetricType::Gauge,
                  [](auto& p) { return static_cast<double>(p.sockets_open.load()); }},
    server_family{"troupe_http_received_bytes_total", "Read from clients.", MetricType::Counter,
                  [](auto& p) { return static_cast<double>(p.bytes_in.load()); }},
    server_family{"troupe_http_sent_bytes_total", "Written to clients.", MetricType::Counter,
                  [](auto& p) { return static_cast<double>(p.bytes_out.load()); }},
    server_family{"troupe_http_clients_left_total", "Clients that left before their answer ended.",
                  MetricType::Counter,
                  [](auto& p) { return static_cast<double>(p.clients_left.load()); }},
    server_family{"troupe_http_streams_overflown_total",
                  "Streams cut because their reader was too slow.", MetricType::Counter,
                  [](auto& p) { return static_cast<double>(p.streams_overflown.load()); }},
    server_family{"troupe_http_writes_stalled_total",
                  "Connections cut because nothing was taken for too long.", MetricType::Counter,
                  [](auto& p) { return static_cast<double>(p.writes_stalled.load()); }},
    server_family{"troupe_http_handlers_failed_total", "Handlers that threw or gave no answer.",
                  MetricType::Counter,
                  [](auto& p) { return static_cast<double>(p.handlers_failed.load()); }},
};

MetricFamily refused(const gateway_probe& server) {
  MetricFamily f{"troupe_http_refused_total",
                 "Requests and connections refused, by reason.",
                 MetricType::Counter,
                 {}};
  for (std::size_t i = 1; i < refusals; ++i) {
    ClientMetric m;
    m.label.push_back({"reason", std::string{about(static_cast<refusal>(i)).name}});
    m.counter.value = static_cast<double>(server.refused[i].load());
    f.metric.push_back(std::move(m));
  }
  return f;
}

/// Answers by route and class, and the time they took.
void add_routes(const gateway_probe& server, std::vector<MetricFamily>& to) {
  MetricFamily answers{"troupe_http_answers_total",
                       "Answers by route and class of status; cut: the client left before one.",
                       MetricType::Counter,
                       {}};
  MetricFamily times{"troupe_http_request_seconds",
                     "From the end of a request's head to the end of its answer.",
                     MetricType::Histogram,
                     {}};
  constexpr std::array names{"cut", "1xx", "2xx", "3xx", "4xx", "5xx"};
  for (const auto* route : server.routes()) {
    for (std::size_t i = 0; i < route->by_class.size(); ++i) {
      ClientMetric m;
      m.label = {{"route", route->name}, {"class", names.at(i)}};
      m.counter.value = static_cast<double>(route->by_class[i].load());
      answers.metric.push_back(std::move(m));
    }
    ClientMetric m;
    m.label.push_back({"route", route->name});
    m.histogram = histogram_of(route->latency);
    times.metric.push_back(std::move(m));
  }
  to.push_back(std::move(answers));
  to.push_back(std::move(times));
}

} // namespace

std::vector<MetricFamily> gateway_metrics::Collect() const {
  std::vector<MetricFamily> result;
  for (const auto& family : families) {
    MetricFamily f{family.name, family.help, family.type, {}};
    ClientMetric m;
    (family.type == MetricType::Counter ? m.counter.value : m.gauge.value) = family.read(server_);
    f.metric.push_back(std::move(m));
    result.push_back(std::move(f));
  }
  result.push_back(refused(server_));
  add_routes(server_, result);
  return result;
}

} // namespace troupe::gateway::ops
