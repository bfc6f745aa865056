// What operators see of the cluster, from any of its nodes.
#include "cluster/node_parts.hpp"
#include "gateway/ops/ask.hpp"

#include <fmt/format.h>
#include <httplib.h>

#include <map>

namespace troupe {

namespace {

using gateway::ops::ask_blocking;
using nlohmann::json;
using std::chrono::milliseconds;

constexpr milliseconds links_limit{1'000};
constexpr milliseconds report_limit{2'000}; // of another node: one that hangs costs no more

std::string_view state_name(v1::NodeState state) {
  switch (state) {
    case v1::NODE_STATE_UP:
      return "up";
    case v1::NODE_STATE_LEAVING:
      return "leaving";
    case v1::NODE_STATE_LEFT:
      return "left";
    case v1::NODE_STATE_DEAD:
      return "dead";
    default:
      return "unknown";
  }
}

struct shard_counts {
  int owned = 0;
  int incoming = 0; // on their way here
  int outgoing = 0;
};

std::map<std::string, shard_counts> count_shards(const v1::ClusterView& view) {
  std::map<std::string, shard_counts> out;
  for (const auto& shard : view.shards()) {
    ++out[shard.owner()].owned;
    if (!shard.target().empty()) {
      ++out[shard.owner()].outgoing;
      ++out[shard.target()].incoming;
    }
  }
  return out;
}

json json_of(const v1::LinkState& link) {
  json out{{"up", link.up()},
           {"address", link.address()},
           {"heard_ms_ago", link.heard_ms_ago()},
           {"queued_bytes", link.queued_bytes()}};
  if (link.up()) {
    out["round_trip_us"] = link.round_trip_us();
    out["protocol"] = link.protocol();
    out["version"] = link.version();
  } else {
    out["error"] = link.error();
  }
  return out;
}

} // namespace

json node::parts::cluster_status() {
  auto known = ask_blocking<ClusterView>(*system, membership, links_limit, GetCluster{});
  auto view = known ? *known : views->last();
  std::map<std::string, v1::LinkState> seen;
  if (auto answer = ask_blocking<Links>(*system, links, links_limit, GetLinks{}))
    for (const auto& link : (*answer)->links())
      seen[link.name()] = link;
  auto shards = count_shards(*view);
  auto nodes = json::array();
  for (const auto& node : view->nodes()) {
    auto here = node.name() == config.node.name;
    json row{{"name", node.name()},
             {"state", state_name(node.state())},
             {"here", here},
             {"incarnation", node.incarnation()},
             {"roles", node.roles()},
             {"capacity", node.capacity()},
             {"version", node.version()},
             {"address", node.address()},
             {"url", node.url()},
             {"ops_url", node.ops_url()},
             {"leads", node.name() == view->leader()},
             {"lease_left_ms", (node.lease_until_us() - view->now_us()) / 1'000},
             {"shards", shards[node.name()].owned},
             {"shards_incoming", shards[node.name()].incoming},
             {"shards_outgoing", shards[node.name()].outgoing},
             {"link", nullptr}};
    if (auto link = seen.find(node.name()); link != seen.end())
      row["link"] = json_of(link->second);
    nodes.push_back(std::move(row));
  }
  auto suspicions = json::array();
  for (const auto& x : view->suspicions())
    suspicions.push_back({{"by", x.by()}, {"node", x.node()}});
  return {{"cluster_id", view->cluster_id()},
          {"version", view->version()},
          {"leader", view->leader()},
          {"node", config.node.name},
          {"serves", lease->holds(boot_clock_us())},
          {"nodes", std::move(nodes)},
          {"suspicions", std::move(suspicions)},
          {"shards_without_owner", shards[""].owned}};
}

json node::parts::shard_status() {
  auto known = ask_blocking<ClusterView>(*system, membership, links_limit, GetCluster{});
  auto view = known ? *known : views->last();
  auto rows = json::array();
  int moving = 0;
  for (const auto& shard : view->shards()) {
    json row{{"id", shard.id()}, {"owner", shard.owner()}, {"epoch", shard.epoch()}};
    if (!shard.target().empty()) {
      row["target"] = shard.target();
      ++moving;
    }
    rows.push_back(std::move(row));
  }
  return {{"version", view->version()}, {"moving", moving}, {"shards", std::move(rows)}};
}

// Its own operators' port, as others would see it.
v1::NodeReport node::parts::report(const v1::GetNodeReport& query) const {
  v1::NodeReport out;
  httplib::Client client{ops_url};
  client.set_connection_timeout(1);
  client.set_read_timeout(2);
  client.set_bearer_token_auth(config.ops.token.empty() ? token : config.ops.token);
  auto answer = query.post() ? client.Post(query.path()) : client.Get(query.path());
  out.set_http_status(answer ? answer->status : 503);
  out.set_json(answer ? answer->body
                      : R"({"error":{"code":"overloaded","message":"the node does not answer"}})");
  return out;
}

// Through the link, so that it needs no way to the other's operators' port.
std::optional<gateway::ops::forwarded> node::parts::report_of(const std::string& name,
                                                              const std::string& path, bool post) {
  if (name == config.node.name)
    return std::nullopt;
  v1::RemoteRequest request;
  request.mutable_report()->set_path(path);
  request.mutable_report()->set_post(post);
  request.set_limit_ms(report_limit.count());
  auto peer = peers->find(name);
  auto answer = peer ? ask_blocking<RemoteAnswer>(*system, peer, report_limit,
                                                  RemoteRequest{std::move(request)})
                     : caf::expected<RemoteAnswer>{make_error(
                         ec::not_found, fmt::format("there is no link to a node {} now", name))};
  if (!answer) {
    const auto& row = info(answer.error());
    json body{{"error", {{"code", row.name}, {"message", describe(answer.error())}}}};
    return gateway::ops::forwarded{row.http_status, body.dump() + "\n"};
  }
  const auto& report = (*answer)->report();
  return gateway::ops::forwarded{report.http_status(), report.json()};
}

} // namespace troupe
