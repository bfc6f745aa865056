#include "tests/support/memory_cluster.hpp"

#include "persistence/failure.hpp"

#include <algorithm>
#include <tuple>

namespace troupe::test {

using persistence::cluster_state;

void memory_cluster::roll_back() {
  for (auto step = undo_.rbegin(); step != undo_.rend(); ++step)
    (*step)();
  undo_.clear();
}

const v1::Node* memory_cluster::node_row(std::string_view name) const {
  auto found = std::find_if(nodes_.begin(), nodes_.end(),
                            [&](const v1::Node& x) { return x.name() == name; });
  return found == nodes_.end() ? nullptr : &*found;
}

cluster_state memory_cluster::state(bool) { return state_; }

void memory_cluster::put_state(const cluster_state& state) {
  undo_.emplace_back([this, before = state_] { state_ = before; });
  state_ = state;
}

std::optional<v1::Node> memory_cluster::find_node(std::string_view name) {
  const auto* found = node_row(name);
  return found == nullptr ? std::nullopt : std::optional{*found};
}

void memory_cluster::put_node(const v1::Node& node) {
  undo_.emplace_back([this, before = nodes_] { nodes_ = before; });
  ++changes_;
  auto place =
      std::lower_bound(nodes_.begin(), nodes_.end(), node,
                       [](const v1::Node& a, const v1::Node& b) { return a.name() < b.name(); });
  if (place != nodes_.end() && place->name() == node.name())
    *place = node;
  else
    nodes_.insert(place, node);
}

v1::Node* memory_cluster::member(std::string_view name, std::int64_t incarnation) {
  for (auto& node : nodes_)
    if (node.name() == name)
      return node.incarnation() == incarnation && node.state() < v1::NODE_STATE_LEFT ? &node
                                                                                     : nullptr;
  return nullptr;
}

bool memory_cluster::renew(std::string_view name, std::int64_t incarnation,
                           std::int64_t lease_until_us) {
  auto* node = member(name, incarnation);
  if (node == nullptr)
    return false;
  auto index = node - nodes_.data();
  undo_.emplace_back([this, index, before = node->lease_until_us()] {
    nodes_[static_cast<std::size_t>(index)].set_lease_until_us(before);
  });
  node->set_lease_until_us(lease_until_us);
  return true;
}

bool memory_cluster::mark_dead(std::string_view name, std::int64_t incarnation,
                               std::int64_t now_us) {
  auto* node = member(name, incarnation);
  if (node == nullptr || node->lease_until_us() > now_us)
    return false;
  undo_.emplace_back([this, before = nodes_] { nodes_ = before; });
  ++changes_;
  node->set_state(v1::NODE_STATE_DEAD);
  return true;
}

void memory_cluster::keep_suspicions() {
  undo_.emplace_back([this, before = suspicions_] { suspicions_ = before; });
}

void memory_cluster::add_suspicion(const v1::Suspicion& suspicion) {
  keep_suspicions();
  auto key = [](const v1::Suspicion& x) { return std::tie(x.by(), x.node()); };
  auto place = std::lower_bound(suspicions_.begin(), suspicions_.end(), suspicion,
                                [&](const auto& a, const auto& b) { return key(a) < key(b); });
  if (place != suspicions_.end() && key(*place) == key(suspicion))
    throw persistence::failure(ec::conflict, "this suspicion is there already");
  suspicions_.insert(place, suspicion);
}

void memory_cluster::erase_suspicions_by(std::string_view by) {
  keep_suspicions();
  std::erase_if(suspicions_, [&](const v1::Suspicion& x) { return x.by() == by; });
}

void memory_cluster::erase_suspicions_of(std::string_view node) {
  keep_suspicions();
  std::erase_if(suspicions_, [&](const v1::Suspicion& x) { return x.node() == node; });
}

void memory_cluster::make_shards(int count) {
  undo_.emplace_back([this, before = shards_] { shards_ = before; });
  ++changes_;
  for (int i = 0; i < count; ++i)
    shards_.emplace_back().set_id(i);
}

v1::Shard* memory_cluster::shard_at(int shard, std::int64_t epoch) {
  if (shard < 0 || shard >= static_cast<int>(shards_.size()))
    return nullptr;
  auto& row = shards_[static_cast<std::size_t>(shard)];
  return row.epoch() == epoch ? &row : nullptr;
}

void memory_cluster::keep(v1::Shard& shard) {
  undo_.emplace_back(
      [this, before = shard] { shards_[static_cast<std::size_t>(before.id())] = before; });
  ++changes_;
}

bool memory_cluster::assign(int shard, std::int64_t epoch, std::string_view owner,
                            std::int64_t incarnation) {
  auto* row = shard_at(shard, epoch);
  if (row == nullptr)
    return false;
  keep(*row);
  row->set_owner(std::string{owner});
  row->set_incarnation(incarnation);
  row->set_epoch(epoch + 1);
  row->clear_target();
  return true;
}

std::int64_t memory_cluster::take_over(std::string_view owner, std::int64_t incarnation) {
  std::int64_t count = 0;
  for (auto& row : shards_)
    if (row.owner() == owner)
      count += assign(row.id(), row.epoch(), std::string{owner}, incarnation);
  return count;
}

bool memory_cluster::set_target(int shard, std::int64_t epoch, std::string_view target) {
  auto* row = shard_at(shard, epoch);
  if (row == nullptr)
    return false;
  keep(*row);
  row->set_target(std::string{target});
  return true;
}

std::int64_t memory_cluster::hold_epoch(int shard) {
  return shard < 0 || shard >= static_cast<int>(shards_.size())
             ? -1
             : shards_[static_cast<std::size_t>(shard)].epoch();
}

} // namespace troupe::test
