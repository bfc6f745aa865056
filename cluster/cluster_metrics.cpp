#include "cluster/cluster_metrics.hpp"

#include "cluster/metric_families.hpp"
#include "config/config.hpp"

#include <algorithm>

namespace troupe {

namespace {

using prometheus::ClientMetric;
using prometheus::MetricFamily;
using prometheus::MetricType;

MetricFamily counter(const char* name, const char* help, std::uint64_t value) {
  ClientMetric m;
  m.counter.value = static_cast<double>(value);
  return {name, help, MetricType::Counter, {m}};
}

bool is_known(const v1::Node& node) {
  const auto& known = config::known_roles;
  return v1::NodeState_IsValid(node.state())
         && std::all_of(node.roles().begin(), node.roles().end(), [&](const auto& role) {
              return std::find(known.begin(), known.end(), role) != known.end();
            });
}

std::int64_t count_unknown(const v1::ClusterView& view) {
  return std::count_if(view.nodes().begin(), view.nodes().end(),
                       [](const v1::Node& x) { return !is_known(x); });
}

/// One counter by what became of it.
MetricFamily outcomes(const char* name, const char* help, const char* label,
                      std::initializer_list<std::pair<const char*, std::uint64_t>> all) {
  MetricFamily out{name, help, MetricType::Counter, {}};
  for (const auto& [of, value] : all)
    add_counter(out, label, of, value);
  return out;
}

} // namespace

std::vector<MetricFamily> cluster_metrics::Collect() const {
  const auto& m = *membership_;
  const auto& s = *shards_;
  const auto& l = *links_;
  return {
      gauge("troupe_cluster_leads", "1 while this node leads the cluster.", m.leads ? 1 : 0),
      outcomes("troupe_cluster_renewals_total", "Renewals of this node's lease.", "outcome",
               {{"done", m.renewals}, {"failed", m.renewals_failed}}),
      counter("troupe_cluster_lease_lapses_total",
              "Times this node's lease ended before it was renewed.", m.lapses),
      counter("troupe_cluster_fenced_total", "Times others declared this node dead.", m.fenced),
      counter("troupe_cluster_joins_total", "Times it joined.", m.joins),
      counter("troupe_cluster_suspicions_total", "Reports that named a peer it missed.",
              m.suspicions),
      counter("troupe_cluster_declared_dead_total",
              "Tries to declare a peer dead, while this node led.", m.declared_dead),
      counter("troupe_cluster_fenced_writes_total",
              "Writes refused because their shard is another node's by now.", *fenced_writes_),
      gauge("troupe_cluster_shards", "Shards of this node.", s.owned),
      gauge("troupe_cluster_shards_moving", "Of those, on their way to another.", s.moving),
      outcomes("troupe_cluster_shard_changes_total", "Shards that came to this node or left it.",
               "change", {{"taken", s.taken}, {"handed_over", s.handoffs}, {"lost", s.lost}}),
      outcomes("troupe_cluster_requests_total", "Requests for conversations between nodes.",
               "direction", {{"passed_on", s.requests_remote}, {"served", s.requests_served}}),
      counter("troupe_cluster_redirects_total",
              "Requests whose conversation was at another node than thought.", s.redirects),
      gauge("troupe_cluster_requests_waiting", "Requests that look for their conversation's node.",
            s.waiting),
      outcomes("troupe_link_frames_total", "Frames of node links.", "direction",
               {{"in", l.frames_in}, {"out", l.frames_out}}),
      outcomes("troupe_link_bytes_total", "Bytes of node links.", "direction",
               {{"in", l.bytes_in}, {"out", l.bytes_out}}),
      outcomes("troupe_link_changes_total", "Links that came up or were lost.", "change",
               {{"made", l.links_made}, {"lost", l.links_lost}}),
      outcomes("troupe_link_refused_total", "What links refused.", "what",
               {{"stranger", l.strangers_refused}, {"queue_full", l.refused_full}}),
      outcomes("troupe_link_unknown_total",
               "What nodes of another version sent and this one does not know.", "what",
               {{"frame", l.unknown_frames},
                {"request", l.unknown_requests},
                {"answer", l.unknown_answers},
                {"field", l.unknown_fields}}),
      gauge("troupe_cluster_unknown_nodes",
            "Nodes with a state or a role that this version does not know.",
            count_unknown(*view_())),
  };
}

} // namespace troupe
