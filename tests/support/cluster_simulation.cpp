#include "tests/support/cluster_simulation.hpp"

#include "tests/support/simulated_node.hpp"

#include <algorithm>

namespace troupe::test {

namespace {

constexpr std::int64_t ms = 1'000;
constexpr std::int64_t settle_max_us = 15'000 * ms;
constexpr std::int64_t rest_us = 3'000 * ms;

/// One run.
class simulation {
public:
  simulation(std::uint64_t seed, simulation_options options) :
      world_(seed, options), cluster_(world_, static_cast<int>(world_.random.between(8, 24))) {
    auto nodes = world_.random.between(3, 5);
    for (int i = 0; i < simulated_world::nodes_max; ++i)
      cluster_.nodes.push_back(std::make_unique<simulated_node>(cluster_, i));
    for (int i = 0; i < nodes; ++i)
      world_.after(world_.random.between(0, 500 * ms), [this, i] { node(i).start(true); });
    faults_until_ = world_.random.between(5'000 * ms, 12'000 * ms);
    world_.after(2'000 * ms, [this] { fault(); });
    request();
  }

  void run(simulation_result& result) {
    try {
      play_until(faults_until_);
      settle(result);
    } catch (const violation& error) {
      result.violation = error.what();
    }
    const auto& counted = cluster_.counted;
    result.steps = world_.steps();
    result.commits = counted.commits;
    result.refused = counted.refused;
    result.answers = counted.answers;
    result.handoffs = counted.handoffs;
    result.fences = counted.fences;
    result.deaths = counted.deaths;
    for (const auto& line : world_.traced())
      result.trace += line + '\n';
  }

private:
  simulated_node& node(int index) { return *cluster_.nodes[static_cast<std::size_t>(index)]; }

  void play_until(std::int64_t end) {
    while (world_.now() < end)
      if (!world_.step())
        throw violation("nothing is left to be done");
  }

  int up() const {
    return static_cast<int>(
        std::count_if(cluster_.nodes.begin(), cluster_.nodes.end(),
                      [](const auto& x) { return x->alive() && !x->leaving(); }));
  }

  // -- clients ----------------------------------------------------------------

  void request() {
    world_.after(world_.random.between(1 * ms, 20 * ms), [this] { request(); });
    auto first = world_.random.below(simulated_world::nodes_max);
    for (int i = 0; i < simulated_world::nodes_max; ++i)
      if (auto& via = node((first + i) % simulated_world::nodes_max); via.joined()) {
        via.client_request(world_.random.below(cluster_.shards));
        return;
      }
  }

  // -- faults -----------------------------------------------------------------

  void fault() {
    if (world_.now() >= faults_until_)
      return;
    world_.after(world_.random.between(50 * ms, 1'500 * ms), [this] { fault(); });
    auto& one = node(world_.random.below(simulated_world::nodes_max));
    switch (world_.random.below(12)) {
      case 0:
      case 1:
        if (one.alive() && !one.paused())
          one.pause(world_.random.chance(500) ? world_.random.between(50 * ms, 1'000 * ms)
                                              : world_.random.between(1'000 * ms, 4'000 * ms));
        break;
      case 2:
      case 3:
        if (one.alive())
          die(one);
        break;
      case 4:
        if (one.joined() && !one.leaving() && up() > 2)
          one.leave(world_.random.between(500 * ms, 5'000 * ms));
        break;
      case 5:
        if (!one.alive() && up() < 5)
          one.start(true);
        break;
      default:
        disturb(world_.random.below(6));
    }
  }

  void die(simulated_node& one) {
    one.kill();
    world_.after(world_.random.between(20 * ms, 3'000 * ms), [this, &one] {
      if (!one.alive())
        one.start(world_.random.chance(300));
    });
  }

  std::int64_t for_a_while() {
    return world_.now()
           + (world_.random.chance(500) ? world_.random.between(100 * ms, 1'000 * ms)
                                        : world_.random.between(1'000 * ms, 4'000 * ms));
  }

  void disturb(int what) {
    auto until = for_a_while();
    auto ms_long = (until - world_.now()) / ms;
    auto index = static_cast<std::size_t>(world_.random.below(simulated_world::nodes_max));
    switch (what) {
      case 0: { // one way only
        auto to = static_cast<std::size_t>(world_.random.below(simulated_world::nodes_max));
        world_.cut_until[index][to] = until;
        world_.trace("cut from n{} to n{} for {} ms", index, to, ms_long);
        break;
      }
      case 1: // a side of the network
        partition(until);
        break;
      case 2:
        isolate(index, until);
        break;
      case 3:
        world_.answer_cut_until[index] = until;
        world_.trace("n{} cut from the database's answers for {} ms", index, ms_long);
        break;
      case 4:
        if (world_.random.chance(500))
          world_.slow_until = until;
        else
          world_.refuses_until = until;
        world_.trace("the database is slow or refuses for {} ms", ms_long);
        break;
      default:
        world_.loss_per_mille = static_cast<int>(world_.random.between(0, 300));
        world_.trace("loss of {} per mille", world_.loss_per_mille);
    }
  }

  void partition(std::int64_t until) {
    auto sides = world_.random.next();
    bool with_database = world_.random.chance(500);
    world_.trace("partition {:07b} for {} ms", sides & 0x7f, (until - world_.now()) / ms);
    for (std::size_t i = 0; i < simulated_world::nodes_max; ++i) {
      bool side = (sides >> i & 1) != 0;
      for (std::size_t j = 0; j < simulated_world::nodes_max; ++j)
        if (side != ((sides >> j & 1) != 0))
          world_.cut_until[i][j] = until;
      if (with_database && side)
        world_.request_cut_until[i] = world_.answer_cut_until[i] = until;
    }
  }

  /// From the database, and mostly from its peers, too.
  void isolate(std::size_t index, std::int64_t until) {
    bool wholly = world_.random.chance(700);
    world_.trace("n{} cut from the database{} for {} ms", index, wholly ? " and its peers" : "",
                 (until - world_.now()) / ms);
    world_.request_cut_until[index] = until;
    for (std::size_t i = 0; wholly && i < simulated_world::nodes_max; ++i)
      world_.cut_until[i][index] = world_.cut_until[index][i] = until;
  }

  void heal() {
    world_.trace("all faults end");
    world_.cut_until = {};
    world_.request_cut_until = {};
    world_.answer_cut_until = {};
    world_.slow_until = world_.refuses_until = 0;
    world_.loss_per_mille = world_.late_per_mille = 0;
    for (int i = 0; i < simulated_world::nodes_max; ++i)
      if (node(i).alive() && node(i).paused())
        node(i).wake();
    for (int i = 0; up() < 2; ++i)
      if (!node(i).alive())
        node(i).start(false);
  }

  // -- what is to be so once they end -----------------------------------------

  void settle(simulation_result& result) {
    heal();
    auto began = world_.now();
    auto settled = began;
    // What was on its way when the faults ended has its effect within a while.
    while (world_.now() - settled < rest_us) {
      play_until(world_.now() + 20 * ms);
      auto reason = unsettled();
      if (!reason)
        continue;
      settled = world_.now();
      if (settled - began > settle_max_us)
        throw violation(fmt::format("{} ms after the faults {}", settle_max_us / ms, *reason));
    }
    result.settled_us = settled - began;
    std::vector<std::int64_t> written;
    for (int shard = 0; shard < cluster_.shards; ++shard)
      written.push_back(cluster_.stored(shard));
    auto all_written = [&] {
      for (int shard = 0; shard < cluster_.shards; ++shard)
        if (cluster_.stored(shard) == written[static_cast<std::size_t>(shard)])
          return false;
      return true;
    };
    for (began = world_.now(); !all_written(); play_until(world_.now() + 20 * ms)) {
      if (world_.now() - began > settle_max_us)
        throw violation("a shard takes no writes after the faults");
      for (int shard = 0; shard < cluster_.shards; ++shard)
        if (cluster_.stored(shard) == written[static_cast<std::size_t>(shard)])
          for (const auto& one : cluster_.nodes)
            if (one->joined())
              one->client_request(shard);
    }
    if (auto reason = unsettled())
      throw violation("at rest, " + *reason);
  }

  std::optional<std::string> unsettled() {
    const auto& tables = world_.tables;
    int leaders = 0;
    for (const auto& one : cluster_.nodes) {
      if (!one->alive())
        continue;
      if (!one->joined() || one->leaving() || !one->self().is_member())
        return one->name() + " is on its way in or out";
      const auto* row = tables.node_row(one->name());
      if (row->state() != v1::NODE_STATE_UP || row->incarnation() != one->self().incarnation())
        return one->name() + " is fenced and does not know it";
      leaders += one->self().leads(one->clock());
    }
    if (leaders != 1)
      return fmt::format("{} nodes lead", leaders);
    v1::ClusterView view;
    for (const auto& row : tables.node_rows()) {
      auto& one = node(row.name()[1] - '0');
      if (row.state() == v1::NODE_STATE_UP
          && (!one.alive() || one.self().incarnation() != row.incarnation()))
        return row.name() + " is up in the tables only";
      if (row.state() == v1::NODE_STATE_LEAVING)
        return row.name() + " is leaving in the tables only";
      *view.add_nodes() = row;
    }
    auto nodes = placement_nodes(view);
    for (const auto& row : tables.shard_rows()) {
      const auto* home = place(row.id(), nodes);
      if (home == nullptr || home->name != row.owner() || home->incarnation != row.incarnation()
          || !row.target().empty())
        return fmt::format("shard {} is {}'s", row.id(), row.owner());
      const auto& owner = node(row.owner()[1] - '0');
      if (owner.holder().phase(row.id()) != shard_phase::owned
          || !owner.serves(row.id(), row.epoch()))
        return fmt::format("shard {} is not served", row.id());
    }
    return std::nullopt;
  }

  simulated_world world_;
  simulated_cluster cluster_;
  std::int64_t faults_until_ = 0;
};

} // namespace

simulation_result simulate_cluster(std::uint64_t seed, planted_bug bug) {
  simulation_result result;
  result.seed = seed;
  simulation{seed, {bug, false}}.run(result);
  if (!result.violation.empty()) {
    result = {};
    result.seed = seed;
    simulation{seed, {bug, true}}.run(result);
  }
  return result;
}

} // namespace troupe::test
