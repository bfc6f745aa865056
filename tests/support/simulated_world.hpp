// Time, chance, a network and a database for simulations of a cluster: one thread, in which all is
// decided by a seed. Times are microseconds since the simulation began.
#pragma once

#include "tests/support/memory_cluster.hpp"

#include <fmt/format.h>

#include <array>
#include <cstdint>
#include <deque>
#include <functional>
#include <stdexcept>
#include <string>
#include <vector>

namespace troupe::test {

/// Faults of the product that the simulation has to find.
enum class planted_bug {
  none,
  no_claim_check,  // durable writes do not check their shard's epoch
  no_fence_margin, // a node serves until the very end of its lease
  hasty_leader,    // whom anybody misses is declared dead, whatever its lease
  any_lease,       // the shards do not look for which incarnation the lease is
};

struct simulation_options {
  planted_bug bug = planted_bug::none;
  bool trace = false; // keep what happened last
};

/// Something the cluster promises never to do was done.
struct violation : std::runtime_error {
  using std::runtime_error::runtime_error;
};

/// Chance, the same for a seed on every machine.
class seeded {
public:
  explicit seeded(std::uint64_t seed) : state_(seed) {}
  std::uint64_t next();
  /// From `least` to `most`, both included.
  std::int64_t between(std::int64_t least, std::int64_t most);
  int below(int end) { return static_cast<int>(between(0, end - 1)); }
  bool chance(int per_mille) { return between(0, 999) < per_mille; }

private:
  std::uint64_t state_;
};

class simulated_world {
public:
  static constexpr int nodes_max = 7;

  simulated_world(std::uint64_t seed, simulation_options options);

  std::int64_t now() const { return now_; }
  void after(std::int64_t us, std::function<void()> work);
  /// False: nothing is left to be done.
  bool step();
  std::uint64_t steps() const { return sequence_; }

  template <class... Args>
  void trace(fmt::format_string<Args...> text, Args&&... args) {
    if (options.trace)
      keep(fmt::format(text, std::forward<Args>(args)...));
  }
  const std::deque<std::string>& traced() const { return traced_; }

  /// Between nodes, and between a node and the database: whether it gets through, and when.
  bool passes(int from, int to);
  std::int64_t delay_us();
  bool reaches_database(int node);
  bool answer_reaches(int node);
  std::int64_t database_delay_us();
  bool database_refuses() const { return now_ < refuses_until; }

  simulation_options options;
  seeded random;
  memory_cluster tables;

  // Faults, each until its time.
  std::array<std::array<std::int64_t, nodes_max>, nodes_max> cut_until{}; // from, to
  std::array<std::int64_t, nodes_max> request_cut_until{};                // to the database
  std::array<std::int64_t, nodes_max> answer_cut_until{};                 // from it
  std::int64_t slow_until = 0;
  std::int64_t refuses_until = 0;
  int loss_per_mille = 0;
  int late_per_mille = 5; // of messages, and of what is asked of the database

private:
  struct event {
    std::int64_t at;
    std::uint64_t sequence;
    std::function<void()> work;
    bool operator<(const event& other) const {
      return at != other.at ? at > other.at : sequence > other.sequence;
    }
  };
  void keep(std::string text);

  std::int64_t now_ = 0;
  std::uint64_t sequence_ = 0;
  std::vector<event> events_; // a heap
  std::deque<std::string> traced_;
};

} // namespace troupe::test
