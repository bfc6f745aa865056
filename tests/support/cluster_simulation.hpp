// A cluster of three to five nodes under faults of every kind, played in simulated time: the real
// decisions and the real commands, a network and a database that lose, delay and reorder, nodes
// that stop, die, come back, join and leave. A seed decides everything.
//
// What is promised, and checked at every step:
// - A durable write is done only under its shard's epoch in the tables, and none is lost.
// - A node that may serve a shard by its own clock has it in the tables, with the same epoch and
//   incarnation: so no two ever serve one shard. That holds for a stopped node too, which may wake
//   at any time; and what it answers within the fence's margin after it let a request in.
// - Nobody is declared dead whose lease holds, nor by fewer than the rules ask for.
// - Epochs only grow. No two nodes lead at a time.
// - Once the faults end all shards are soon at the live nodes they belong to, nothing is on its
//   way, one node leads, and every shard can be written to.
#pragma once

#include "tests/support/simulated_world.hpp"

#include <cstdint>
#include <string>

namespace troupe::test {

struct simulation_result {
  std::uint64_t seed = 0;
  std::string violation;       // empty: all promises were kept
  std::string trace;           // what happened last before it
  std::int64_t settled_us = 0; // after the last fault
  std::uint64_t steps = 0;
  std::uint64_t commits = 0;
  std::uint64_t refused = 0;
  std::uint64_t answers = 0;
  std::uint64_t handoffs = 0;
  std::uint64_t fences = 0;
  std::uint64_t deaths = 0;
};

/// The same seed gives the same run. One that fails is played again to tell what happened.
simulation_result simulate_cluster(std::uint64_t seed, planted_bug bug = planted_bug::none);

} // namespace troupe::test
