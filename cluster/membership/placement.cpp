#include "cluster/membership/placement.hpp"

#include <algorithm>
#include <bit>

namespace troupe {

namespace {

constexpr std::int64_t capacity_max = 1'000'000;
constexpr int fraction_bits = 24;

/// The finaliser of splitmix64: each bit of the result depends on every bit of `x`.
std::uint64_t mixed(std::uint64_t x) {
  x += 0x9e37'79b9'7f4a'7c15;
  x = (x ^ (x >> 30)) * 0xbf58'476d'1ce4'e5b9;
  x = (x ^ (x >> 27)) * 0x94d0'49bb'1331'11eb;
  return x ^ (x >> 31);
}

std::uint64_t hash_of(std::string_view name) {
  std::uint64_t hash = 14'695'981'039'346'656'037ull; // FNV-1a
  for (char c : name) {
    hash ^= static_cast<unsigned char>(c);
    hash *= 1'099'511'628'211ull;
  }
  return hash;
}

/// -log2(x / 2^64) in 1 / 2^24, rounded up: at least 1. In whole numbers, as the logarithms of two
/// machines' libraries may differ in their last bit. x is not 0.
std::int64_t minus_log2(std::uint64_t x) {
  auto whole = static_cast<int>(std::bit_width(x)) - 1;
  auto mantissa = x << (63 - whole) >> 32; // from 1 to 2, in 1 / 2^31
  std::int64_t fraction = 0;
  for (int i = 0; i < fraction_bits; ++i) {
    mantissa = mantissa * mantissa >> 31;
    auto bit = mantissa >> 32;
    mantissa >>= bit;
    fraction = fraction * 2 + static_cast<std::int64_t>(bit);
  }
  return (std::int64_t{64 - whole} << fraction_bits) - fraction;
}

/// What the shard costs at the node, before its weight divides it: the cheapest gets it.
std::int64_t cost_of(int shard, std::string_view node) {
  return minus_log2(mixed(hash_of(node) ^ mixed(static_cast<std::uint64_t>(shard))) | 1);
}

std::int64_t weight_of(const placement_node& node) {
  return std::clamp<std::int64_t>(node.capacity, 1, capacity_max);
}

const placement_node* find(const std::vector<placement_node>& nodes, std::string_view name) {
  auto found =
      std::find_if(nodes.begin(), nodes.end(), [&](const auto& x) { return x.name == name; });
  return found == nodes.end() ? nullptr : &*found;
}

v1::ShardAssignment given(const v1::Shard& shard, const placement_node* to) {
  v1::ShardAssignment out;
  out.set_shard(shard.id());
  out.set_epoch(shard.epoch());
  if (to != nullptr) {
    out.set_owner(to->name);
    out.set_incarnation(to->incarnation);
  }
  return out;
}

} // namespace

std::vector<placement_node> placement_nodes(const v1::ClusterView& view) {
  std::vector<placement_node> out;
  for (const auto& node : view.nodes())
    if (node.state() == v1::NODE_STATE_UP
        && std::find(node.roles().begin(), node.roles().end(), "session") != node.roles().end())
      out.push_back({node.name(), node.incarnation(), node.capacity()});
  return out;
}

const placement_node* place(int shard, const std::vector<placement_node>& nodes) {
  const placement_node* best = nullptr;
  std::int64_t best_cost = 0;
  for (const auto& node : nodes) {
    auto cost = cost_of(shard, node.name);
    if (best != nullptr) {
      auto mine = cost * weight_of(*best);
      auto its = best_cost * weight_of(node);
      if (mine > its || (mine == its && node.name > best->name))
        continue;
    }
    best = &node;
    best_cost = cost;
  }
  return best;
}

placement_plan plan_placement(const v1::ClusterView& view, const placement_limits& limits) {
  auto nodes = placement_nodes(view);
  std::vector<const v1::Node*> members;
  for (const auto& node : view.nodes())
    if (node.state() == v1::NODE_STATE_UP || node.state() == v1::NODE_STATE_LEAVING)
      members.push_back(&node);
  auto owner_of = [&](const v1::Shard& shard) {
    auto found = std::find_if(members.begin(), members.end(), [&](const v1::Node* x) {
      return x->name() == shard.owner() && x->incarnation() == shard.incarnation();
    });
    return found == members.end() ? nullptr : *found;
  };
  placement_plan plan;
  std::vector<v1::ShardAssignment> others;
  int moving = 0;
  for (const auto& shard : view.shards()) {
    const auto* owner = owner_of(shard);
    const auto* best = place(shard.id(), nodes);
    if (owner == nullptr) {
      if (best != nullptr)
        plan.assign.push_back(given(shard, best));
    } else if (!shard.target().empty()) {
      ++moving; // one that is taken back is on its way until the owner knows
      if (shard.target() == owner->name() || find(nodes, shard.target()) == nullptr)
        plan.moves.push_back(given(shard, nullptr));
    } else if (best != nullptr && best->name != owner->name()) {
      auto& list = owner->state() == v1::NODE_STATE_LEAVING ? plan.moves : others;
      list.push_back(given(shard, best));
    }
  }
  auto is_back = [](const v1::ShardAssignment& x) { return x.owner().empty(); };
  auto taken_back =
      std::stable_partition(plan.moves.begin(), plan.moves.end(), is_back) - plan.moves.begin();
  plan.moves.insert(plan.moves.end(), others.begin(), others.end());
  auto most = taken_back + std::max(limits.moves_max - moving, 0);
  if (static_cast<std::int64_t>(plan.moves.size()) > most)
    plan.moves.resize(static_cast<std::size_t>(most));
  return plan;
}

} // namespace troupe
