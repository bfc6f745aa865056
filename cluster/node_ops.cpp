// What the operators' port asks of the node.
#include "cluster/node_parts.hpp"
#include "gateway/ops/ask.hpp"

#include <nlohmann/json.hpp>
#include <unistd.h>

namespace troupe {

namespace {

constexpr std::chrono::milliseconds ask_limit{2'000};

std::string_view phase_name(v1::NodePhase phase) {
  switch (phase) {
    case v1::NODE_PHASE_READY:
      return "ready";
    case v1::NODE_PHASE_DRAINING:
      return "draining";
    case v1::NODE_PHASE_STOPPED:
      return "stopped";
    default:
      return "starting";
  }
}

} // namespace

nlohmann::json node::parts::status() {
  auto now_us = system_clock()->now_us();
  nlohmann::json result{{"name", config.node.name},
                        {"version", TROUPE_VERSION},
                        {"phase", phase_name(phase)},
                        {"started_us", started_us},
                        {"uptime_s", (now_us - started_us) / 1'000'000},
                        {"pid", ::getpid()},
                        {"url", url},
                        {"ops_url", ops_url},
                        {"connections", http_probe.connections.load()},
                        {"requests_total", http_probe.requests_total.load()},
                        {"streams_open", http_probe.streams_open.load()},
                        {"sessions_live", nullptr},
                        {"turns_running", nullptr},
                        {"roles", config.cluster.roles},
                        {"tools", tool_status()},
                        {"store", nullptr}};
  using gateway::ops::ask_blocking;
  // A part that hangs leaves its fields null; the rest is told all the same.
  if (auto answer = ask_blocking<RegionStatus>(*system, region, ask_limit, GetRegionStatus{})) {
    result["sessions_live"] = (*answer)->sessions_live();
    result["turns_running"] = (*answer)->turns_running();
  }
  if (auto answer = ask_blocking<StoreStatus>(*system, store, ask_limit, GetStoreStatus{})) {
    const auto& s = **answer;
    result["store"] = {{"backend", s.backend()},   {"schema_version", s.schema_version()},
                       {"writable", s.writable()}, {"last_error", s.last_error()},
                       {"commits", s.commits()},   {"rows_written", s.rows_written()}};
  }
  return result;
}

gateway::ops::hooks node::parts::ops_hooks() {
  using gateway::ops::answer;
  gateway::ops::hooks hooks;
  hooks.node_status = [this] { return answer{status()}; };
  if (callbacks.show_config)
    hooks.config = [this] { return answer{nlohmann::json::parse(callbacks.show_config())}; };
  hooks.upstreams = [this] { return answer{upstream_status()}; };
  hooks.cluster = [this] { return answer{cluster_status()}; };
  hooks.shards = [this] { return answer{shard_status()}; };
  hooks.elsewhere = [this](const std::string& name, const std::string& path, bool post) {
    return report_of(name, path, post);
  };
  hooks.drain = [this] {
    callbacks.stop("drain");
    return answer{nlohmann::json{{"draining", true}}};
  };
  hooks.reload = [this] {
    if (auto err = callbacks.reload())
      return answer{err};
    return answer{nlohmann::json{{"reloading", true}}};
  };
  return hooks;
}

nlohmann::json node::parts::upstream_status() {
  auto list = nlohmann::json::array();
  for (const auto& u : config.upstreams)
    list.push_back({{"name", u.name}, {"dialect", u.dialect}, {"models", u.models}});
  return {{"upstreams", std::move(list)}};
}

} // namespace troupe
