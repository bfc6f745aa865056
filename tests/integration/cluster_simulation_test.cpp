// A cluster in simulated time: what it promises holds under faults, and how fast it is over them.
#include "tests/support/cluster_simulation.hpp"
#include "tests/support/simulated_node.hpp"

#include <doctest/doctest.h>

#include <algorithm>
#include <cstdlib>

using namespace troupe;
using namespace troupe::test;

namespace {

constexpr std::int64_t ms = 1'000;

std::uint64_t first_seed() {
  const char* given = std::getenv("TROUPE_SEED");
  return given == nullptr ? 1 : std::strtoull(given, nullptr, 10);
}

/// Nodes that came to rest, without faults but those the test makes.
struct calm_cluster {
  calm_cluster(std::uint64_t seed, int nodes) : world(seed, {}), cluster(world, 32) {
    world.late_per_mille = 0;
    for (int i = 0; i < nodes; ++i)
      cluster.nodes.push_back(std::make_unique<simulated_node>(cluster, i));
    for (const auto& one : cluster.nodes)
      one->start(true);
    REQUIRE(wait(10'000, [&] { return at_rest(); }));
    play(world.random.between(0, 400 * ms)); // another moment for each seed
  }

  void play(std::int64_t us) {
    for (auto end = world.now() + us; world.now() < end;)
      REQUIRE(world.step());
  }
  template <class Condition>
  bool wait(std::int64_t limit_ms, Condition condition) {
    for (auto end = world.now() + limit_ms * ms; world.now() < end; play(1 * ms))
      if (condition())
        return true;
    return condition();
  }
  simulated_node& node(int index) { return *cluster.nodes[static_cast<std::size_t>(index)]; }
  bool served(int shard) const {
    const auto& row = world.tables.shard_rows()[static_cast<std::size_t>(shard)];
    return std::any_of(cluster.nodes.begin(), cluster.nodes.end(), [&](const auto& x) {
      return x->joined() && !x->paused() && x->serves(shard, row.epoch());
    });
  }
  bool all_served() const {
    for (int shard = 0; shard < cluster.shards; ++shard)
      if (!served(shard))
        return false;
    return true;
  }
  /// Every node has a share, and nothing is on its way.
  bool at_rest() const {
    if (world.tables.shard_rows().empty() || !all_served())
      return false;
    return std::all_of(cluster.nodes.begin(), cluster.nodes.end(),
                       [](const auto& x) { return !x->alive() || x->holder().count() > 0; })
           && std::none_of(cluster.nodes.begin(), cluster.nodes.end(),
                           [](const auto& x) { return x->alive() && x->holder().moving() > 0; });
  }

  simulated_world world;
  simulated_cluster cluster;
};

std::uint64_t seeds_until_found(planted_bug bug, std::uint64_t seeds_max) {
  for (std::uint64_t i = 0; i < seeds_max; ++i)
    if (!simulate_cluster(first_seed() + i, bug).violation.empty())
      return i + 1;
  return 0;
}

} // namespace

TEST_CASE("a cluster keeps its promises under faults of every kind") {
  std::uint64_t commits = 0;
  std::uint64_t refused = 0;
  std::uint64_t deaths = 0;
  for (auto seed = first_seed(); seed < first_seed() + 60; ++seed) {
    auto result = simulate_cluster(seed);
    INFO("TROUPE_SEED=", seed, "\n", result.trace);
    REQUIRE(result.violation == "");
    commits += result.commits;
    refused += result.refused;
    deaths += result.deaths;
  }
  CHECK(commits > 5'000); // it did something
  CHECK(refused > 0);
  CHECK(deaths > 0);
}

TEST_CASE("the same seed gives the same run") {
  auto one = simulate_cluster(first_seed());
  auto two = simulate_cluster(first_seed());
  CHECK(one.steps == two.steps);
  CHECK(one.commits == two.commits);
  CHECK(one.settled_us == two.settled_us);
  CHECK(simulate_cluster(first_seed() + 1).steps != one.steps);
}

TEST_CASE("the simulation finds writes that do not check their epoch") {
  CHECK(seeds_until_found(planted_bug::no_claim_check, 20) > 0);
}

TEST_CASE("the simulation finds nodes that serve to the end of their lease") {
  CHECK(seeds_until_found(planted_bug::no_fence_margin, 300) > 0);
}

TEST_CASE("the simulation finds a leader that declares dead whom anybody misses") {
  CHECK(seeds_until_found(planted_bug::hasty_leader, 20) > 0);
}

TEST_CASE("the simulation finds shards that are served under another incarnation's lease") {
  CHECK(seeds_until_found(planted_bug::any_lease, 400) > 0);
}

TEST_CASE("shards of a node that was killed are served by others within 1.6 s") {
  for (auto seed = first_seed(); seed < first_seed() + 20; ++seed)
    for (int nodes : {2, 3}) {
      calm_cluster all{seed, nodes};
      auto killed = all.world.now();
      all.node(static_cast<int>(seed) % nodes).kill(); // the leader in some
      INFO("TROUPE_SEED=", seed, " nodes: ", nodes);
      REQUIRE(all.wait(3'000, [&] { return all.all_served(); }));
      CHECK(all.world.now() - killed <= 1'600 * ms);
    }
}

TEST_CASE("a pause of 0.3 s evicts nobody") {
  for (auto seed = first_seed(); seed < first_seed() + 20; ++seed) {
    calm_cluster all{seed, 3};
    all.node(static_cast<int>(seed) % 3).pause(300 * ms);
    all.play(3'000 * ms);
    CHECK(all.cluster.counted.deaths == 0);
    CHECK(all.cluster.counted.fences == 0);
    CHECK(all.world.tables.suspicion_rows().empty());
    CHECK(all.all_served());
  }
}

TEST_CASE("who was paused for 3 s is fenced before it answers anything, and soon back") {
  for (auto seed = first_seed(); seed < first_seed() + 20; ++seed) {
    calm_cluster all{seed, 3};
    auto& one = all.node(static_cast<int>(seed) % 3);
    one.pause(3'000 * ms);
    all.play(1'700 * ms);
    CHECK(all.all_served()); // by the others
    REQUIRE(all.wait(2'000, [&] { return !one.paused(); }));
    CHECK(!one.may_serve());
    auto woke = all.world.now();
    CHECK(all.wait(1'000, [&] { return one.self().is_member() && one.self().incarnation() == 2; }));
    CHECK(all.cluster.counted.fences == 1);
    CHECK(all.wait(5'000, [&] { return all.at_rest(); }));
    CHECK(all.world.now() - woke <= 5'000 * ms);
  }
}

TEST_CASE("who beats but cannot reach the database loses its shards all the same") {
  for (auto seed = first_seed(); seed < first_seed() + 10; ++seed) {
    calm_cluster all{seed, 3};
    auto index = seed % 3;
    all.world.request_cut_until[index] = all.world.now() + 60'000 * ms;
    CHECK(all.wait(2'600, [&] { return all.cluster.counted.deaths == 1; }));
    CHECK(all.wait(200, [&] { return all.all_served(); }));
  }
}

TEST_CASE("a node that leaves hands all over, and no shard is without a node for long") {
  for (auto seed = first_seed(); seed < first_seed() + 10; ++seed) {
    calm_cluster all{seed, 3};
    auto& one = all.node(static_cast<int>(seed) % 3);
    one.leave(10'000 * ms);
    std::int64_t longest = 0;
    std::vector<std::int64_t> since(32, all.world.now());
    REQUIRE(all.wait(10'000, [&] {
      for (int shard = 0; shard < 32; ++shard) {
        auto& last = since[static_cast<std::size_t>(shard)];
        if (all.served(shard))
          last = all.world.now();
        longest = std::max(longest, all.world.now() - last);
      }
      return !one.alive();
    }));
    CHECK(all.wait(1'500, [&] {
      return all.world.tables.node_row(one.name())->state() == v1::NODE_STATE_LEFT;
    }));
    CHECK(all.wait(300, [&] { return all.all_served(); }));
    CHECK(longest <= 300 * ms);
    CHECK(all.cluster.counted.deaths == 0);
    CHECK(all.cluster.counted.fences == 0);
  }
}
