// A cluster whose nodes and database are hosts of a network of their own, clients at every node,
// and what became of what they asked for.
#pragma once

#include "tests/support/append_load.hpp"
#include "tests/support/cluster_nodes.hpp"
#include "tests/support/mock_process.hpp"
#include "tests/support/network_hosts.hpp"
#include "tests/support/postgres.hpp"

#include <chrono>
#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace troupe::test {

/// Nodes on hosts 0, 1, 2..., PostgreSQL on the one after them. Every write to a turn leaves its
/// shard, epoch, owner and writer in a table of the test's own.
class partition_cluster {
public:
  using time_point = std::chrono::steady_clock::time_point;

  partition_cluster(unsigned seed, int nodes_count);

  /// The host of the database.
  int database() const { return database_; }
  int count() const { return nodes.count(); }
  append_target at(int i) { return target_of(cluster_nodes::name(i), nodes[i]); }
  const std::vector<std::string>& conversations() const { return conversations_; }

  /// Clients at every node from now on.
  void begin();
  /// The conversations whose shards node `i` owns, as it knows the tables; at the beginning at
  /// least one.
  std::vector<std::string> owned_by(int i);

  /// How long since `since` until each of the conversations took a message through each of `some`
  /// nodes, in milliseconds; nothing if that took more than 20 s.
  std::optional<double> answering_ms(const std::vector<int>& some,
                                     const std::vector<std::string>& conversations,
                                     time_point since);
  /// The same until each refused one.
  std::optional<double> refusing_ms(const std::vector<int>& some,
                                    const std::vector<std::string>& conversations,
                                    time_point since);
  /// Everything heals: how long until every conversation answers through every node.
  std::optional<double> heal();
  /// The longest that a request which waited at `moment` was answered after it, in milliseconds.
  double waited_ms(time_point moment) const;
  /// How many nodes have joined anew since `begin`, or are not up.
  int evictions();
  /// Ends the clients and the nodes, in order, then checks the history and who wrote it.
  void finish();

  std::size_t acknowledged() const;
  std::size_t unknown() const;

  temp_dir dir;
  network_hosts hosts;
  postgres_server server;
  mock_process mock;
  cluster_nodes nodes;
  append_history history;

private:
  std::optional<double> slowest(const std::vector<int>& some,
                                const std::vector<std::string>& conversations, time_point since,
                                append_outcome wanted);
  void make_conversation(int i);
  void watch_writes();
  std::vector<shard_write> read_writes();
  std::size_t count_of(append_outcome outcome) const;

  unsigned seed_;
  int database_;
  std::vector<std::string> conversations_;
  std::vector<std::int64_t> incarnations_;
  std::unique_ptr<append_load> load_;
};

} // namespace troupe::test
