#include "persistence/cluster_commands.hpp"

#include "messages/id.hpp"
#include "messages/shard.hpp"
#include "persistence/commands/check.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <optional>

namespace troupe::persistence {

namespace {

constexpr int shards_max = 65'536;
constexpr std::int64_t lease_ms_max = 3'600'000;

std::int64_t us_of(std::int64_t ms) {
  if (ms < 1 || ms > lease_ms_max)
    throw failure(ec::invalid_argument, "a lease lasts from a millisecond to an hour");
  return ms * 1'000;
}

bool is_member(const v1::Node& node) {
  return node.state() == v1::NODE_STATE_UP || node.state() == v1::NODE_STATE_LEAVING;
}

bool is_live(const v1::Node& node, std::int64_t now_us) {
  return is_member(node) && node.lease_until_us() > now_us;
}

bool may_own(const v1::Node& node) {
  return std::find(node.roles().begin(), node.roles().end(), "session") != node.roles().end();
}

bool may_get(const v1::Node& node, const std::string& name, std::int64_t incarnation) {
  return node.name() == name && node.incarnation() == incarnation
         && node.state() == v1::NODE_STATE_UP && may_own(node);
}

/// They are in order of their ids.
template <class Shards>
auto* find_shard(Shards& shards, int id) {
  auto found = std::lower_bound(shards.begin(), shards.end(), id,
                                [](const v1::Shard& x, int wanted) { return x.id() < wanted; });
  return found == shards.end() || found->id() != id ? nullptr : &*found;
}

/// A transaction on the tables: what is read once, and written at its end if it changed.
struct session {
  explicit session(cluster_repository& tables, bool lock = true) :
      repository(tables), locked(lock), state(tables.state(lock)), now_us(tables.now_us()) {}

  v1::ClusterView view(std::int64_t known_version) {
    if (changed)
      ++state.version;
    if (changed || led)
      repository.put_state(state);
    auto out = read(known_version);
    // Without the lock another transaction may change the tables between two questions: then they
    // are asked again. What is mixed even then has the older version, and is replaced soon.
    for (int again = 0; !locked && again < 3; ++again) {
      auto now = repository.state(false);
      if (now.version == state.version)
        break;
      state = now;
      out = read(known_version);
    }
    return out;
  }

  v1::ClusterView read(std::int64_t known_version) {
    v1::ClusterView out;
    out.set_cluster_id(state.cluster_id);
    out.set_version(state.version);
    out.set_now_us(now_us);
    out.set_leader(state.leader);
    out.set_leader_until_us(state.leader_until_us);
    for (auto& node : repository.nodes())
      *out.add_nodes() = std::move(node);
    for (auto& suspicion : repository.suspicions())
      *out.add_suspicions() = std::move(suspicion);
    if (!locked)
      kept.reset();
    if (state.version != known_version)
      for (const auto& shard : shards())
        *out.add_shards() = shard;
    return out;
  }

  /// Read once: while the lock is held nobody else changes them.
  const std::vector<v1::Shard>& shards() {
    if (!kept)
      kept = repository.shards();
    return *kept;
  }

  void assign(int shard, std::int64_t epoch, const std::string& owner, std::int64_t incarnation) {
    if (!repository.assign(shard, epoch, owner, incarnation))
      return;
    changed = true;
    if (auto* one = find_kept(shard)) {
      one->set_owner(owner);
      one->set_incarnation(incarnation);
      one->set_epoch(one->epoch() + 1);
      one->clear_target();
    }
  }

  void set_target(int shard, std::int64_t epoch, const std::string& target) {
    if (!repository.set_target(shard, epoch, target))
      return;
    changed = true;
    if (auto* one = find_kept(shard))
      one->set_target(target);
  }

  bool leads(const std::string& name, std::int64_t incarnation) const {
    return state.leader == name && state.leader_incarnation == incarnation;
  }

  /// Takes or keeps the lead, if it is free or its own.
  void lead(const std::string& name, std::int64_t incarnation, std::int64_t lease_us) {
    bool mine = leads(name, incarnation);
    if (!mine && !state.leader.empty() && state.leader != name && state.leader_until_us > now_us) {
      auto leader = repository.find_node(state.leader);
      if (leader && is_member(*leader) && leader->incarnation() == state.leader_incarnation)
        return;
    }
    state.leader = name;
    state.leader_incarnation = incarnation;
    state.leader_until_us = now_us + lease_us;
    led = true;
    changed = changed || !mine;
  }

  void need_leader(const v1::LeaderClaim& claim) const {
    if (!leads(claim.name(), claim.incarnation()) || state.leader_until_us <= now_us)
      throw failure(ec::not_owner, fmt::format("{} does not lead the cluster", claim.name()));
  }

  v1::Node need_member(const std::string& name, std::int64_t incarnation) const {
    auto node = repository.find_node(name);
    if (!node || node->incarnation() != incarnation || !is_member(*node))
      throw failure(ec::fenced,
                    fmt::format("node {} is no member any more: it was declared dead, left, or "
                                "was started again",
                                name));
    return std::move(*node);
  }

  v1::Shard* find_kept(int shard) { return kept ? find_shard(*kept, shard) : nullptr; }

  cluster_repository& repository;
  bool locked;
  std::optional<std::vector<v1::Shard>> kept;
  cluster_state state;
  std::int64_t now_us;  // asked with the lock held: waiting for it took time
  bool changed = false; // what others must know
  bool led = false;
};

/// By shard: everyone holds shards in this order, so that nobody waits for who waits for him.
std::vector<v1::ShardAssignment>
in_order(const google::protobuf::RepeatedPtrField<v1::ShardAssignment>& given) {
  std::vector<v1::ShardAssignment> out{given.begin(), given.end()};
  std::stable_sort(out.begin(), out.end(),
                   [](const auto& a, const auto& b) { return a.shard() < b.shard(); });
  return out;
}

/// A join that names the incarnation before it is refused once that was replaced: it is late, and
/// the node that asked for it has joined meanwhile.
void take_name(cluster_repository& tables, const v1::Node& there, const v1::Node& wanted,
               std::int64_t now_us) {
  bool own = !wanted.identity().empty() && there.identity() == wanted.identity()
             && (wanted.incarnation() == 0 || wanted.incarnation() == there.incarnation());
  if (own || !is_member(there) || tables.mark_dead(there.name(), there.incarnation(), now_us))
    return;
  throw failure(
      ec::conflict,
      fmt::format("a node named {} is up at {}: choose another name with --node, or try "
                  "again in {} ms if it has just been killed",
                  there.name(),
                  there.address().empty() ? std::string{"another place"} : there.address(),
                  std::max<std::int64_t>(there.lease_until_us() - now_us, 0) / 1'000 + 1));
}

/// Nobody else is there to miss those whose lease ended, and no one to have their shards but this
/// node.
void start_alone(session& tx, const v1::Node& self) {
  auto nodes = tx.repository.nodes();
  for (const auto& other : nodes)
    if (other.name() != self.name() && is_live(other, tx.now_us))
      return;
  for (const auto& other : nodes)
    if (other.name() != self.name() && is_member(other)
        && !tx.repository.mark_dead(other.name(), other.incarnation(), tx.now_us))
      return; // it renewed its lease this moment
  if (!may_own(self))
    return;
  for (const auto& shard : tx.shards())
    if (shard.owner() != self.name() || shard.incarnation() != self.incarnation())
      tx.assign(shard.id(), shard.epoch(), self.name(), self.incarnation());
}

} // namespace

v1::ClusterJoined join_cluster(cluster_repository& tables, const v1::JoinCluster& command) {
  const auto& wanted = command.node();
  need_id(wanted.name(), "node.name");
  auto shards = command.shards() == 0 ? shard_count : command.shards();
  if (shards < 1 || shards > shards_max)
    throw failure(ec::invalid_argument, "a cluster has 1 to 65536 shards");
  session tx{tables};
  if (tx.state.cluster_id.empty()) {
    tx.state.cluster_id = new_id(tx.now_us);
    tables.make_shards(shards);
  }
  auto before = tables.find_node(wanted.name());
  if (before)
    take_name(tables, *before, wanted, tx.now_us);
  v1::Node self = wanted;
  self.set_incarnation(before ? before->incarnation() + 1 : 1);
  self.set_state(v1::NODE_STATE_UP);
  self.set_lease_until_us(tx.now_us + us_of(command.lease_ms()));
  self.set_joined_us(tx.now_us);
  self.set_capacity(std::max<std::int64_t>(self.capacity(), 1));
  tables.put_node(self);
  tables.erase_suspicions_by(self.name());
  tables.erase_suspicions_of(self.name());
  if (before && may_own(self))
    tables.take_over(self.name(), self.incarnation());
  start_alone(tx, self);
  if (command.leader_lease_ms() != 0)
    tx.lead(self.name(), self.incarnation(), us_of(command.leader_lease_ms()));
  tx.changed = true;
  v1::ClusterJoined out;
  *out.mutable_view() = tx.view(-1);
  *out.mutable_node() = std::move(self);
  return out;
}

v1::ClusterView renew_lease(cluster_repository& tables, const v1::RenewLease& command) {
  session tx{tables, command.leader_lease_ms() != 0};
  if (!tables.renew(command.name(), command.incarnation(), tx.now_us + us_of(command.lease_ms())))
    tx.need_member(command.name(), command.incarnation());
  if (command.leader_lease_ms() != 0)
    tx.lead(command.name(), command.incarnation(), us_of(command.leader_lease_ms()));
  return tx.view(command.known_version());
}

v1::ClusterView change_node_state(cluster_repository& tables, const v1::ChangeNodeState& command) {
  auto state = command.state();
  if (state != v1::NODE_STATE_UP && state != v1::NODE_STATE_LEAVING && state != v1::NODE_STATE_LEFT)
    throw failure(ec::invalid_argument, "a node is up, leaving or left by its own will");
  session tx{tables};
  auto node = tx.need_member(command.name(), command.incarnation());
  bool moved = (!command.url().empty() && command.url() != node.url())
               || (!command.ops_url().empty() && command.ops_url() != node.ops_url());
  if (node.state() != state || moved) {
    node.set_state(state);
    if (!command.url().empty())
      node.set_url(command.url());
    if (!command.ops_url().empty())
      node.set_ops_url(command.ops_url());
    if (state == v1::NODE_STATE_LEFT) {
      node.set_lease_until_us(tx.now_us);
      tables.erase_suspicions_by(node.name());
      tables.erase_suspicions_of(node.name());
      if (tx.state.leader == node.name())
        tx.state.leader.clear();
    }
    tables.put_node(node);
    tx.changed = true;
  }
  return tx.view(-1);
}

v1::Done report_suspicions(cluster_repository& tables, const v1::ReportSuspicions& command) {
  session tx{tables};
  tx.need_member(command.by(), command.incarnation());
  tables.erase_suspicions_by(command.by());
  for (const auto& node : tables.nodes()) {
    if (node.name() == command.by() || !is_member(node))
      continue;
    v1::Suspicion wanted;
    wanted.set_by(command.by());
    wanted.set_node(node.name());
    wanted.set_incarnation(node.incarnation());
    bool named =
        std::any_of(command.suspicions().begin(), command.suspicions().end(), [&](const auto& x) {
          return x.node() == node.name() && x.incarnation() == node.incarnation();
        });
    if (named)
      tables.add_suspicion(wanted);
  }
  return {};
}

v1::ClusterView declare_dead(cluster_repository& tables, const v1::DeclareDead& command) {
  session tx{tables};
  tx.need_leader(command.leader());
  auto suspect = tables.find_node(command.name());
  if (!suspect || suspect->incarnation() != command.incarnation() || !is_member(*suspect)
      || is_live(*suspect, tx.now_us))
    return tx.view(-1);
  auto nodes = tables.nodes();
  auto live = [&](const std::string& name) {
    return std::any_of(nodes.begin(), nodes.end(), [&](const v1::Node& x) {
      return x.name() == name && is_live(x, tx.now_us); // which the suspect is not
    });
  };
  auto others =
      std::count_if(nodes.begin(), nodes.end(), [&](const v1::Node& x) { return live(x.name()); });
  auto suspicions = tables.suspicions();
  auto missed_by = std::count_if(suspicions.begin(), suspicions.end(), [&](const auto& x) {
    return x.node() == suspect->name() && x.incarnation() == suspect->incarnation() && live(x.by());
  });
  if (missed_by >= (others >= 2 ? 2 : 1)
      && tables.mark_dead(suspect->name(), suspect->incarnation(), tx.now_us)) {
    tables.erase_suspicions_by(suspect->name());
    tables.erase_suspicions_of(suspect->name());
    tx.changed = true;
  }
  return tx.view(-1);
}

v1::ClusterView assign_shards(cluster_repository& tables, const v1::AssignShards& command) {
  session tx{tables};
  tx.need_leader(command.leader());
  auto nodes = tables.nodes();
  for (const auto& x : in_order(command.assignments())) {
    const auto* there = find_shard(tx.shards(), x.shard());
    auto owned = [&](const v1::Node& node) {
      return is_member(node) && node.name() == there->owner()
             && node.incarnation() == there->incarnation();
    };
    auto gets_it = [&](const v1::Node& node) { return may_get(node, x.owner(), x.incarnation()); };
    if (there != nullptr && std::none_of(nodes.begin(), nodes.end(), owned)
        && std::any_of(nodes.begin(), nodes.end(), gets_it))
      tx.assign(x.shard(), x.epoch(), x.owner(), x.incarnation());
  }
  return tx.view(-1);
}

v1::ClusterView move_shards(cluster_repository& tables, const v1::MoveShards& command) {
  session tx{tables};
  tx.need_leader(command.leader());
  auto nodes = tables.nodes();
  for (const auto& x : in_order(command.moves())) {
    const auto* there = find_shard(tx.shards(), x.shard());
    if (there == nullptr || there->target() == x.owner() || there->owner() == x.owner())
      continue;
    auto gets_it = [&](const v1::Node& node) { return may_get(node, x.owner(), x.incarnation()); };
    if (x.owner().empty() || std::any_of(nodes.begin(), nodes.end(), gets_it))
      tx.set_target(x.shard(), x.epoch(), x.owner());
  }
  return tx.view(-1);
}

v1::ClusterView hand_over_shards(cluster_repository& tables, const v1::HandOverShards& command) {
  session tx{tables};
  auto self = tx.need_member(command.name(), command.incarnation());
  auto nodes = tables.nodes();
  for (const auto& x : in_order(command.shards())) {
    const auto* there = find_shard(tx.shards(), x.shard());
    if (there == nullptr || there->owner() != self.name()
        || there->incarnation() != self.incarnation())
      continue;
    // It may keep a shard it has frozen, whatever its target: under a new epoch.
    bool keeps = x.owner() == self.name() && x.incarnation() == self.incarnation();
    auto gets_it = [&](const v1::Node& node) { return may_get(node, x.owner(), x.incarnation()); };
    if (keeps || (there->target() == x.owner() && std::any_of(nodes.begin(), nodes.end(), gets_it)))
      tx.assign(x.shard(), x.epoch(), x.owner(), x.incarnation());
  }
  return tx.view(-1);
}

v1::ClusterView get_cluster(cluster_repository& tables, const v1::GetCluster& query) {
  return session{tables, false}.view(query.known_version());
}

void check_claim(cluster_repository& tables, const v1::ShardClaim& claim) {
  if (claim.epoch() == 0)
    return;
  if (tables.hold_epoch(claim.shard()) != claim.epoch())
    throw failure(ec::not_owner, fmt::format("shard {} is another node's by now", claim.shard()));
}

} // namespace troupe::persistence
