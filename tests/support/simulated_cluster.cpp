// What a cluster promises, checked while it is simulated.
#include "tests/support/simulated_node.hpp"

#include <algorithm>

namespace troupe::test {

namespace {

bool is_member(const v1::Node& node) { return node.state() < v1::NODE_STATE_LEFT; }

} // namespace

simulated_cluster::simulated_cluster(simulated_world& world, int shards) :
    world(world),
    shards(shards),
    stored_(static_cast<std::size_t>(shards)),
    seen_(static_cast<std::size_t>(shards)) {}

void simulated_cluster::commit(const simulated_node& node, int shard, std::int64_t epoch,
                               std::int64_t value) {
  auto current = world.tables.hold_epoch(shard);
  if (world.options.bug != planted_bug::no_claim_check) {
    v1::ShardClaim claim;
    claim.set_shard(shard);
    claim.set_epoch(epoch);
    try {
      world.tables.transact([&](auto& tables) { persistence::check_claim(tables, claim); });
    } catch (const persistence::failure&) {
      ++counted.refused;
      throw;
    }
  }
  world.trace("{} writes {} to shard {}@{}", node.name(), value, shard, epoch);
  auto& row = stored_[static_cast<std::size_t>(shard)];
  if (epoch != current || epoch < row.epoch)
    throw violation(fmt::format("{} wrote to shard {} under epoch {} when it had epoch {}",
                                node.name(), shard, epoch, current));
  if (value != row.value + 1)
    throw violation(fmt::format("{} wrote {} to shard {} over {}: a write was lost", node.name(),
                                value, shard, row.value));
  row = {value, epoch};
  ++counted.commits;
}

void simulated_cluster::answer(const simulated_node& node, int shard, std::int64_t epoch) {
  ++counted.answers;
  const auto& row = world.tables.shard_rows()[static_cast<std::size_t>(shard)];
  if (row.epoch() != epoch)
    throw violation(fmt::format("{} answered for shard {} under epoch {} when it was {}'s with "
                                "epoch {}",
                                node.name(), shard, epoch, row.owner(), row.epoch()));
}

bool simulated_cluster::may_declare(const v1::DeclareDead& command) const {
  auto now = world.tables.clock_us;
  const auto* suspect = world.tables.node_row(command.name());
  if (suspect == nullptr || !is_member(*suspect) || suspect->lease_until_us() > now
      || suspect->incarnation() != command.incarnation())
    return false;
  int others = 0;
  int missing = 0;
  for (const auto& node : world.tables.node_rows()) {
    if (&node == suspect || !is_member(node) || node.lease_until_us() <= now)
      continue;
    ++others;
    for (const auto& x : world.tables.suspicion_rows())
      missing += x.by() == node.name() && x.node() == suspect->name()
                 && x.incarnation() == suspect->incarnation();
  }
  return missing >= std::min(std::max(others, 1), 2);
}

void simulated_cluster::check_tables(const v1::DeclareDead* declared, bool allowed) {
  const auto& tables = world.tables;
  for (const auto& node : tables.node_rows()) {
    auto before = std::find_if(seen_nodes_.begin(), seen_nodes_.end(),
                               [&](const v1::Node& x) { return x.name() == node.name(); });
    bool died = node.state() == v1::NODE_STATE_DEAD && before != seen_nodes_.end()
                && is_member(*before) && before->incarnation() == node.incarnation();
    if (!died)
      continue;
    ++counted.deaths;
    world.trace("{}/{} is declared dead", node.name(), node.incarnation());
    if (node.lease_until_us() > tables.clock_us && world.options.bug != planted_bug::hasty_leader)
      throw violation(fmt::format("{} was declared dead while its lease held", node.name()));
    if (declared != nullptr && !allowed)
      throw violation(fmt::format("{} was declared dead by a leader alone", node.name()));
  }
  seen_nodes_ = tables.node_rows();
  for (const auto& row : tables.shard_rows()) {
    auto& before = seen_[static_cast<std::size_t>(row.id())];
    bool moved = before.owner != row.owner() || before.incarnation != row.incarnation();
    if (row.epoch() < before.epoch || (moved && row.epoch() == before.epoch))
      throw violation(fmt::format("shard {} went from {}@{} to {}@{}", row.id(), before.owner,
                                  before.epoch, row.owner(), row.epoch()));
    if (moved)
      world.trace("shard {} is {}/{}'s @{}", row.id(), row.owner(), row.incarnation(), row.epoch());
    if (row.epoch() != before.epoch)
      before = {row.owner(), row.incarnation(), row.epoch()};
  }
  for (const auto& node : nodes)
    check_node(*node);
}

void simulated_cluster::check_node(const simulated_node& node) const {
  if (!node.joined())
    return;
  if (node.self().leads(node.clock()))
    for (const auto& other : nodes)
      if (other.get() != &node && other->joined() && other->self().leads(other->clock()))
        throw violation(fmt::format("{} and {} lead both", node.name(), other->name()));
  if (!node.may_serve())
    return;
  const auto& tables = world.tables;
  const auto* row = tables.node_row(node.name());
  if (row == nullptr)
    throw violation(fmt::format("{} serves and is not in the tables", node.name()));
  for (const auto& shard : tables.shard_rows()) {
    auto epoch = node.holder().epoch(shard.id());
    if (!node.holder().serves(shard.id(), epoch))
      continue;
    if (shard.owner() != node.name() || shard.epoch() != epoch
        || shard.incarnation() != node.holder().incarnation())
      throw violation(fmt::format("{}/{} serves shard {}@{}, which is {}/{}'s @{}", node.name(),
                                  node.holder().incarnation(), shard.id(), epoch, shard.owner(),
                                  shard.incarnation(), shard.epoch()));
  }
}

} // namespace troupe::test
