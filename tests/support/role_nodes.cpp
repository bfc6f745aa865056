#include "tests/support/role_nodes.hpp"

#include "tests/support/script_server.hpp"

#include <httplib.h>

#include <csignal>
#include <cstdlib>
#include <sstream>

namespace troupe::test {

using namespace std::chrono_literals;
using nlohmann::json;

role_nodes::~role_nodes() {
  if (std::getenv("TROUPE_KEEP_LOGS") == nullptr)
    return;
  for (auto& [name, one] : nodes_)
    if (one.node)
      std::fprintf(stderr, "== node %s\n%s\n", name.c_str(), one.node->log().c_str());
}

troupe_node& role_nodes::start(const std::string& name, const std::string& roles,
                               const more& with) {
  auto& one = nodes_[name];
  if (!one.dir)
    one.dir = std::make_unique<temp_dir>();
  auto listen =
      with.cluster.find("listen:") == std::string::npos ? "listen: \"127.0.0.1:0\", " : "";
  auto yaml = config_ + "store: {url: \"" + folder() + "/troupe.db\"}\nnode: {name: " + name
              + "}\ncluster: {" + listen + "lease_ms: 10000, suspect_ms: 5000, roles: [" + roles
              + "]" + (with.cluster.empty() ? "" : ", " + with.cluster) + "}\n" + with.sections;
  one.node.reset();
  return one.node.emplace(*one.dir, yaml, 60s);
}

std::optional<int> role_nodes::stop(const std::string& name) {
  auto& one = nodes_.at(name);
  one.node->child().signal(SIGTERM);
  auto status = one.node->child().wait(40s);
  if (status != 0)
    std::fprintf(stderr, "node %s ended with %d:\n%s\n", name.c_str(), status.value_or(-1),
                 one.node->log().c_str());
  one.node.reset();
  return status;
}

void role_nodes::kill(const std::string& name) {
  auto& one = nodes_.at(name);
  one.node->child().kill();
  one.node.reset();
}

std::unique_ptr<api_client> role_nodes::client(const std::string& name) {
  auto& node = at(name);
  return std::make_unique<api_client>(node.host(), node.port(), node.token());
}

json role_nodes::ops(const std::string& name, const std::string& path) {
  httplib::Client http{at(name).ops_url()};
  http.set_read_timeout(5s);
  auto answer = http.Get(path);
  return answer ? json::parse(answer->body, nullptr, false) : json(nullptr);
}

double role_nodes::metric(const std::string& name, const std::string& metric,
                          const std::vector<std::string>& labels) {
  httplib::Client http{at(name).ops_url()};
  http.set_read_timeout(5s);
  auto answer = http.Get("/metrics");
  std::istringstream lines{answer ? answer->body : std::string{}};
  double sum = 0;
  for (std::string line; std::getline(lines, line);) {
    auto end = line.find_first_of("{ ");
    if (line.substr(0, end) != metric)
      continue;
    bool fits = true;
    for (const auto& label : labels)
      fits = fits && line.find(label) != std::string::npos;
    if (fits)
      sum += std::stod(line.substr(line.rfind(' ') + 1));
  }
  return sum;
}

int role_nodes::shards_of(const std::string& name) {
  int out = 0;
  auto shards = ops(name, "/ops/v1/shards");
  for (const auto& shard : shards["shards"])
    out += shard["owner"] == name ? 1 : 0;
  return out;
}

bool role_nodes::settled_now() {
  for (auto& [name, one] : nodes_) {
    if (!one.node)
      continue;
    auto cluster = ops(name, "/ops/v1/cluster");
    if (!cluster.is_object() || !cluster.value("serves", false)
        || cluster.value("shards_without_owner", 1) != 0)
      return false;
    int owners = 0;
    int takers = 0;
    for (const auto& row : cluster["nodes"]) {
      if (!up(row["name"].get<std::string>())) {
        if (row["state"] == "up" || row["shards"] != 0)
          return false;
        continue;
      }
      auto roles = row["roles"].get<std::vector<std::string>>();
      takers += std::count(roles.begin(), roles.end(), "session") > 0 ? 1 : 0;
      owners += row["shards"] != 0 ? 1 : 0;
      bool linked =
          row.value("here", false) || (row["link"].is_object() && row["link"].value("up", false));
      if (row["state"] != "up" || !linked || row["shards_incoming"] != 0
          || row["shards_outgoing"] != 0)
        return false;
    }
    if (owners != takers)
      return false;
  }
  return true;
}

bool role_nodes::settled(std::chrono::milliseconds limit) {
  if (eventually([&] { return settled_now(); }, limit))
    return true;
  for (auto& [name, one] : nodes_)
    if (one.node)
      std::fprintf(stderr, "node %s sees %s\n%s\n", name.c_str(),
                   ops(name, "/ops/v1/cluster").dump(2).c_str(), one.node->log().c_str());
  return false;
}

} // namespace troupe::test
