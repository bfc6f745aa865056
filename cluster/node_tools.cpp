// A node's tools: its own, and the desk that has their work done here or at another node.
#include "actors/tokenizer/tokenizer.hpp"
#include "cluster/node_parts.hpp"
#include "cluster/tools/tool_desk.hpp"

#include <nlohmann/json.hpp>

#include <chrono>

namespace troupe {

namespace {

tool_place_limits place_limits_of(const config::tools_section& section) {
  tool_place_limits out;
  out.local = {section.local_requests_max, section.local_bytes_max};
  out.serve_bytes_max = section.serve_bytes_max;
  return out;
}

nlohmann::json json_of(const tool_work& x) {
  return {{"requests", x.requests}, {"bytes", x.bytes}};
}

} // namespace

void node::parts::start_tools() {
  tokenizer_options counting;
  counting.host = host;
  tokenizer = troupe::spawn(host, troupe::tokenizer, std::move(counting));
  places = std::make_shared<tool_places>(
      config.node.name, has_role("tools"), place_limits_of(config.tools),
      [all = peers](const std::string& name) { return static_cast<bool>(all->find(name)); });
  views->attach([to = places](const ClusterView& view) { to->view(*view); });
  tool_desk_options<token_counting> desk;
  desk.host = host;
  desk.local = tokenizer;
  desk.places = places;
  desk.find_peer = [all = peers](const std::string& name) { return all->find(name); };
  desk.limits.remote_bytes_min = config.tools.remote_bytes_min;
  desk.limits.try_limit_ms = config.tools.try_limit_ms;
  tokenizer_desk = troupe::spawn(host, tool_desk<token_counting>, std::move(desk));
}

nlohmann::json node::parts::tool_status() const {
  auto now = std::chrono::steady_clock::now().time_since_epoch();
  auto known = places->status(std::chrono::duration_cast<std::chrono::microseconds>(now).count());
  auto nodes = nlohmann::json::array();
  for (const auto& x : known.nodes)
    nodes.push_back({{"name", x.name},
                     {"linked", x.linked},
                     {"rests", x.rests},
                     {"in_flight", json_of(x.in_flight)},
                     {"of_others", json_of(x.of_others)}});
  auto kinds = nlohmann::json::object();
  for (const auto& [tool, counts] : known.tools) {
    auto& out = kinds[tool];
    out = {{"short", counts.brief},
           {"served", counts.served},
           {"refused", counts.refused},
           {"nodes", nlohmann::json::object()}};
    for (const auto& [name, x] : counts.nodes)
      out["nodes"][name] = {
          {"done", x.done}, {"failed_over", x.failed_over}, {"in_flight", x.in_flight}};
  }
  return {{"serves", known.serves},
          {"here", json_of(known.here)},
          {"nodes", std::move(nodes)},
          {"kinds", std::move(kinds)}};
}

} // namespace troupe
