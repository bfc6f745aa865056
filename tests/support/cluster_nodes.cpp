#include "tests/support/cluster_nodes.hpp"

#include "cluster/link/certificates.hpp"
#include "messages/error.hpp"
#include "tests/support/network_hosts.hpp"

#include <fmt/format.h>
#include <httplib.h>

#include <algorithm>
#include <csignal>
#include <cstdlib>
#include <stdexcept>
#include <thread>

namespace troupe::test {

using namespace std::chrono_literals;
using nlohmann::json;
using steady = std::chrono::steady_clock;

namespace {

constexpr int shards_all = 1'024;
constexpr auto poll_period = 10ms;

} // namespace

bool wait_until(std::chrono::milliseconds limit, const std::function<bool()>& done) {
  auto until = steady::now() + limit;
  while (!done()) {
    if (steady::now() > until)
      return false;
    std::this_thread::sleep_for(poll_period);
  }
  return true;
}

cluster_nodes::cluster_nodes(int count, std::string config, const std::string& backend,
                             std::string cluster) :
    place_(backend), config_(std::move(config)), cluster_(std::move(cluster)) {
  begin(count);
}

cluster_nodes::cluster_nodes(int count, std::string config, const network_hosts& hosts,
                             postgres_server& server) :
    place_(server), config_(std::move(config)), hosts_(&hosts) {
  if (auto failed = link::make_authority({certificates_.path() + "/ca"}))
    throw std::runtime_error(describe(failed));
  for (int i = 0; i < count; ++i)
    if (auto failed =
            link::issue_certificate({certificates_.path() + "/ca", name(i), {hosts.address(i)}}))
      throw std::runtime_error(describe(failed));
  begin(count);
}

void cluster_nodes::begin(int count) {
  config_ += "store: {backend: " + place_.backend() + ", url: \"" + place_.url() + "\"}\n";
  members_.resize(static_cast<std::size_t>(count));
  for (int i = 0; i < count; ++i)
    start(i);
  if (!wait_settled(60s))
    throw std::runtime_error("the nodes did not form a cluster: "
                             + ops(0, "/ops/v1/cluster").dump(2));
}

cluster_nodes::~cluster_nodes() {
  if (std::getenv("TROUPE_KEEP_LOGS") != nullptr)
    tell_logs();
}

void cluster_nodes::tell_logs() {
  for (int i = 0; i < count(); ++i)
    if (up(i))
      std::fprintf(stderr, "== node %s\n%s\n", name(i).c_str(), (*this)[i].log().c_str());
}

void cluster_nodes::start(int i, const std::string& more) {
  auto& m = members_.at(static_cast<std::size_t>(i));
  if (!m.dir)
    m.dir = std::make_unique<temp_dir>();
  auto config = config_ + "node: {name: " + name(i) + "}\n" + links_yaml(i, cluster_ + more);
  m.node.emplace(*m.dir, config, 60s,
                 hosts_ == nullptr ? std::vector<std::string>{} : hosts_->prefix(i));
}

std::string cluster_nodes::links_yaml(int i, const std::string& more) {
  if (hosts_ == nullptr)
    return "cluster: {"
           + std::string{more.find("listen:") == more.npos ? "listen: \"127.0.0.1:0\"" : ""} + more
           + "}\n";
  auto address = hosts_->address(i);
  auto files = certificates_.path() + "/ca/";
  return fmt::format(
      "cluster: {{listen: \"{}:7400\", ca: {}ca.crt, certificate: {}{}.crt, key: "
      "{}{}.key{}}}\ngateway: {{listen: \"{}:8080\"}}\nops: {{listen: \"{}:9400\"}}\n",
      address, files, files, name(i), files, name(i), more, address, address);
}

int cluster_nodes::add(const std::string& more) {
  members_.emplace_back();
  start(count() - 1, more);
  return count() - 1;
}

void cluster_nodes::kill(int i) {
  auto& m = members_.at(static_cast<std::size_t>(i));
  m.node->child().kill();
  m.node.reset();
}

std::optional<int> cluster_nodes::stop(int i, std::chrono::milliseconds limit) {
  auto& m = members_.at(static_cast<std::size_t>(i));
  m.node->child().signal(SIGTERM);
  auto status = m.node->child().wait(limit);
  if (status != 0) {
    auto log = m.node->log();
    std::fprintf(stderr, "node %s ended with %d:\n%s\n", name(i).c_str(), status.value_or(-1),
                 log.substr(log.size() > 4'000 ? log.size() - 4'000 : 0).c_str());
  }
  m.node.reset();
  return status;
}

json cluster_nodes::ops(int i, const std::string& path, std::chrono::milliseconds limit) {
  if (!up(i))
    return nullptr;
  auto& node = (*this)[i];
  httplib::Client client{node.ops_url()};
  client.set_connection_timeout(limit);
  client.set_read_timeout(limit);
  client.set_bearer_token_auth(node.token());
  auto answer = client.Get(path);
  return answer ? json::parse(answer->body, nullptr, false) : json(nullptr);
}

json cluster_nodes::row(int asked, const std::string& name) {
  auto cluster = ops(asked, "/ops/v1/cluster");
  if (cluster.is_object() && cluster.contains("nodes"))
    for (auto& node : cluster["nodes"])
      if (node["name"] == name)
        return node;
  return nullptr;
}

std::map<std::string, int> cluster_nodes::shards(int asked) {
  std::map<std::string, int> out;
  auto answer = ops(asked, "/ops/v1/shards");
  if (answer.is_object())
    for (const auto& shard : answer["shards"])
      ++out[shard["owner"].get<std::string>()];
  return out;
}

bool cluster_nodes::settled(int asked, const std::vector<std::string>& names) {
  auto cluster = ops(asked, "/ops/v1/cluster");
  if (!cluster.is_object() || !cluster.contains("nodes") || !cluster.value("serves", false))
    return false;
  int owned = 0;
  std::size_t found = 0;
  for (const auto& node : cluster["nodes"]) {
    auto wanted = std::find(names.begin(), names.end(), node["name"]) != names.end();
    if (!wanted) {
      if (node["state"] == "up" || node["shards"] != 0)
        return false;
      continue;
    }
    ++found;
    bool linked =
        node.value("here", false) || (node["link"].is_object() && node["link"].value("up", false));
    auto shards = node["shards"].get<int>();
    // Rendezvous hashing gives each about its share.
    auto share = shards_all / static_cast<int>(names.size());
    if (node["state"] != "up" || !linked || node["shards_incoming"] != 0
        || node["shards_outgoing"] != 0 || shards < share * 7 / 10 || shards > share * 13 / 10)
      return false;
    owned += shards;
  }
  return found == names.size() && owned == shards_all;
}

bool cluster_nodes::wait_settled(std::chrono::milliseconds limit) {
  std::vector<std::string> names;
  for (int i = 0; i < count(); ++i)
    if (up(i))
      names.push_back(name(i));
  return wait_until(limit, [&] {
    for (int i = 0; i < count(); ++i)
      if (up(i) && !settled(i, names))
        return false;
    return true;
  });
}

} // namespace troupe::test
