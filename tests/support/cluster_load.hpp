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
  /// `backend` of the database they share; `cluster` as for `cluster_nodes`.
  cluster_load(unsigned seed, const std::string& backend, int nodes_count = 3,
               const std::string& cluster = {});

  void begin();
  /// New requests of the clients of node `i` go to node `to`, or back.
  void lead(int i, int to) { places_[static_cast<std::size_t>(i)]->set(nodes[to]); }
  void lead_nowhere(int i) { places_[static_cast<std::size_t>(i)]->clear(); }
  /// What was acknowledged since the last time is in the database.
  void check();
  /// How long after `since` each conversation takes no message at node `asked`: in ms, in their
  /// order.
  std::vector<double> unanswered_ms(int asked, std::chrono::steady_clock::time_point since);
  /// Ends the load and the nodes, in order; then nothing may be missing, doubled or odd.
  void finish();

  const std::vector<std::string>& conversations() const { return conversations_; }
  /// Messages acknowledged in a second, over all the time since `begin`.
  double messages_per_s() const;

  temp_dir dir;
  mock_process mock{dir, {"--latency-ms", "10", "--tokens", "16", "--tokens-per-s", "320"}};
  cluster_nodes nodes;
  load_log log;

private:
  double unanswered_ms(int asked, const std::string& conversation, const std::string& text,
                       std::chrono::steady_clock::time_point since);

  chat_load_options options_;
  std::vector<std::unique_ptr<node_place>> places_;
  std::vector<std::unique_ptr<chat_load>> loads_;
  std::vector<std::string> conversations_;
  std::size_t checked_ = 0; // of the log's messages
  int probes_ = 0;
  std::chrono::steady_clock::time_point began_;
  std::chrono::steady_clock::time_point ended_;
};

} // namespace troupe::test
