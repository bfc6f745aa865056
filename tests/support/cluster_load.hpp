// Clients at every node of a cluster, and what became of what they were promised.
#pragma once

#include "tests/support/audit.hpp"
#include "tests/support/chat_load.hpp"
#include "tests/support/cluster_nodes.hpp"
#include "tests/support/mock_process.hpp"

#include <memory>
#include <string>
#include <vector>

namespace troupe::test {

/// A cluster in front of a mock upstream, under load through each of its nodes.
class cluster_load {
public:
  /// `config` is more YAML for every node.
  explicit cluster_load(unsigned seed, int nodes_count = 3, const std::string& config = {});

  void begin();
  /// New requests of the clients of node `i` go to node `to`, or back.
  void lead(int i, int to) { places_[static_cast<std::size_t>(i)]->set(nodes[to]); }
  void lead_nowhere(int i) { places_[static_cast<std::size_t>(i)]->clear(); }
  /// What is acknowledged by now is in the database.
  void check();
  /// Ends the load and the nodes, in order; then nothing may be missing, doubled or odd.
  void finish();

  const std::vector<std::string>& conversations() const { return conversations_; }

  temp_dir dir;
  mock_process mock{dir, {"--latency-ms", "10", "--tokens", "40", "--tokens-per-s", "400"}};
  cluster_nodes nodes;
  load_log log;

private:
  chat_load_options options_;
  std::vector<std::unique_ptr<node_place>> places_;
  std::vector<std::unique_ptr<chat_load>> loads_;
  std::vector<std::string> conversations_;
};

} // namespace troupe::test
