// Several nodes of one cluster for tests, each a process of its own, on this machine or on a host
// of tests/support/network_hosts.hpp each.
#pragma once

#include "tests/support/backends.hpp"
#include "tests/support/process.hpp"

#include <nlohmann/json.hpp>

#include <csignal>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace troupe::test {

class network_hosts;
class postgres_server;

/// Nodes a, b, c... that share a database.
class cluster_nodes {
public:
  /// `config` is YAML that all have, `backend` that of their database, `cluster` more of the
  /// section of this name (", key: value"). Waits until every shard has an owner and every link is
  /// up. Throws if that takes long.
  cluster_nodes(int count, std::string config, const std::string& backend = "sqlite",
                std::string cluster = {});
  /// Node i on host i, linked by mutual TLS, and their database on `server`; both outlive this.
  cluster_nodes(int count, std::string config, const network_hosts& hosts, postgres_server& server);
  ~cluster_nodes();
  cluster_nodes(const cluster_nodes&) = delete;
  cluster_nodes& operator=(const cluster_nodes&) = delete;

  /// Starts one more, with more YAML of its section `cluster` (", key: value") if wanted; its
  /// number.
  int add(const std::string& more = {});
  int count() const { return static_cast<int>(members_.size()); }
  static std::string name(int i) { return {static_cast<char>('a' + i)}; }
  bool up(int i) const { return members_[static_cast<std::size_t>(i)].node.has_value(); }
  troupe_node& operator[](int i) { return *members_.at(static_cast<std::size_t>(i)).node; }

  /// Starts a node that is not up, with more YAML if wanted; waits until it is ready.
  void start(int i, const std::string& more = {});
  /// kill -9.
  void kill(int i);
  /// SIGSTOP and SIGCONT.
  void pause(int i) { (*this)[i].child().signal(SIGSTOP); }
  void resume(int i) { (*this)[i].child().signal(SIGCONT); }
  /// The row of the node `name` as node `asked` knows it; null if it does not.
  nlohmann::json row(int asked, const std::string& name);
  /// SIGTERM; its exit status, or nothing when it did not end in time.
  std::optional<int> stop(int i, std::chrono::milliseconds limit = std::chrono::seconds{40});

  /// GET of the operators' port of a node; null when it did not answer within `limit`.
  nlohmann::json ops(int i, const std::string& path,
                     std::chrono::milliseconds limit = std::chrono::seconds{3});
  /// Shards that the tables give to each node, as node `asked` knows them: by name.
  std::map<std::string, int> shards(int asked);
  /// True when node `asked` sees all `names` up and linked, every shard with one of them in the
  /// share that placement gives it, and nothing moving.
  bool settled(int asked, const std::vector<std::string>& names);
  /// Waits for that at every node that is up; false when it took longer.
  bool wait_settled(std::chrono::milliseconds limit = std::chrono::seconds{20});

  /// Writes what the nodes that are up have logged, for whoever asks why a test failed. With
  /// TROUPE_KEEP_LOGS that is done at the end anyway.
  void tell_logs();

  /// The database all of them share.
  const empty_database& place() const { return place_; }

private:
  void begin(int count);
  std::string links_yaml(int i, const std::string& more);

  struct member {
    std::unique_ptr<temp_dir> dir;
    std::optional<troupe_node> node;
  };

  empty_database place_;
  std::string config_;
  std::string cluster_;
  const network_hosts* hosts_ = nullptr; // null: all on this machine
  temp_dir certificates_;                // of the cluster's own authority, over hosts
  std::vector<member> members_;
};

/// Polls until `done` says so; false when the limit is over.
bool wait_until(std::chrono::milliseconds limit, const std::function<bool()>& done);

} // namespace troupe::test
