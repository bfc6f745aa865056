// Nodes of one cluster with roles of their own, each a process, on one SQLite file. Their leases
// are long: how soon a dead node is noticed is not what these tests look at.
#pragma once

#include "tests/support/api_client.hpp"
#include "tests/support/process.hpp"

#include <nlohmann/json.hpp>

#include <chrono>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace troupe::test {

class role_nodes {
public:
  /// `config` is YAML that all have.
  explicit role_nodes(std::string config) : config_(std::move(config)) {}
  ~role_nodes();
  role_nodes(const role_nodes&) = delete;
  role_nodes& operator=(const role_nodes&) = delete;

  struct more {
    std::string cluster = {}; // of the section `cluster:`, such as "advertise: x"
    std::string sections = {};
  };
  /// Starts it, and waits until it is ready. `roles` as in "gateway, session".
  troupe_node& start(const std::string& name, const std::string& roles) {
    return start(name, roles, more{});
  }
  troupe_node& start(const std::string& name, const std::string& roles, const more& with);
  /// SIGTERM; its exit status.
  std::optional<int> stop(const std::string& name);
  void kill(const std::string& name);
  troupe_node& at(const std::string& name) { return *nodes_.at(name).node; }
  bool up(const std::string& name) { return nodes_[name].node.has_value(); }

  /// Every node that is up sees all others up and linked, every shard is somebody's, and none is on
  /// its way.
  bool settled(std::chrono::milliseconds limit = std::chrono::seconds{30});
  int shards_of(const std::string& name);

  /// With the node's token.
  std::unique_ptr<api_client> client(const std::string& name);
  /// GET of a node's operators' port.
  nlohmann::json ops(const std::string& name, const std::string& path);
  /// The sum of a metric's lines that have all of `labels` in them, such as `node="b"`.
  double metric(const std::string& name, const std::string& metric,
                const std::vector<std::string>& labels = {});
  /// The folder of the database.
  const std::string& folder() const { return shared_.path(); }
  const temp_dir& shared() const { return shared_; }

private:
  struct member {
    std::unique_ptr<temp_dir> dir;
    std::optional<troupe_node> node;
  };

  bool settled_now();

  temp_dir shared_;
  std::string config_;
  std::map<std::string, member> nodes_;
};

} // namespace troupe::test
