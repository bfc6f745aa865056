// The authority's commands on tables in memory.
#pragma once

#include "persistence/cluster_commands.hpp"
#include "persistence/failure.hpp"
#include "tests/support/memory_cluster.hpp"

#include <fmt/format.h>

#include <string>
#include <vector>

namespace troupe::test {

inline constexpr std::int64_t ms = 1'000;

/// The cluster's tables in memory, and what is asked of them.
struct commands_fixture {
  template <class Answer, class Command>
  Answer run(const Command& command,
             Answer (*work)(persistence::cluster_repository&, const Command&)) {
    return there.transact([&](auto& tables) { return work(tables, command); });
  }
  /// The code of its refusal.
  template <class Answer, class Command>
  ec refusal(const Command& command,
             Answer (*work)(persistence::cluster_repository&, const Command&)) {
    auto changes = there.changes();
    try {
      run(command, work);
      return ec::none;
    } catch (const persistence::failure& error) {
      return changes == there.changes() ? error.code : ec::internal;
    }
  }

  static v1::JoinCluster joining(const std::string& name, const std::string& identity = "i") {
    v1::JoinCluster command;
    command.mutable_node()->set_name(name);
    command.mutable_node()->set_identity(identity + name);
    command.mutable_node()->add_roles("session");
    command.set_lease_ms(1'200);
    command.set_leader_lease_ms(1'200);
    command.set_shards(4);
    return command;
  }
  v1::ClusterJoined join(const std::string& name) {
    return run(joining(name), persistence::join_cluster);
  }
  v1::ClusterView renew(const std::string& name, std::int64_t incarnation = 1, bool lead = false) {
    v1::RenewLease command;
    command.set_name(name);
    command.set_incarnation(incarnation);
    command.set_lease_ms(1'200);
    command.set_leader_lease_ms(lead ? 1'200 : 0);
    return run(command, persistence::renew_lease);
  }
  void suspect(const std::string& by, const std::vector<std::string>& whom,
               std::int64_t incarnation = 1) {
    v1::ReportSuspicions command;
    command.set_by(by);
    command.set_incarnation(1);
    for (const auto& name : whom) {
      command.add_suspicions()->set_node(name);
      command.mutable_suspicions()->rbegin()->set_incarnation(incarnation);
    }
    run(command, persistence::report_suspicions);
  }
  static v1::DeclareDead declaring(const std::string& name, const std::string& leader = "a") {
    v1::DeclareDead command;
    command.mutable_leader()->set_name(leader);
    command.mutable_leader()->set_incarnation(1);
    command.set_name(name);
    command.set_incarnation(1);
    return command;
  }
  v1::NodeState declare(const std::string& name) {
    run(declaring(name), persistence::declare_dead);
    return there.node_row(name)->state();
  }
  v1::ClusterView change(const std::string& name, v1::NodeState state) {
    v1::ChangeNodeState command;
    command.set_name(name);
    command.set_incarnation(1);
    command.set_state(state);
    return run(command, persistence::change_node_state);
  }
  static v1::ShardAssignment to(int shard, std::int64_t epoch, const std::string& owner,
                                std::int64_t incarnation = 1) {
    v1::ShardAssignment out;
    out.set_shard(shard);
    out.set_epoch(epoch);
    out.set_owner(owner);
    out.set_incarnation(incarnation);
    return out;
  }
  template <class Command>
  static Command led(const std::string& leader = "a") {
    Command command;
    command.mutable_leader()->set_name(leader);
    command.mutable_leader()->set_incarnation(1);
    return command;
  }
  void assign(const v1::ShardAssignment& one) {
    auto command = led<v1::AssignShards>();
    *command.add_assignments() = one;
    run(command, persistence::assign_shards);
  }
  void move(const v1::ShardAssignment& one) {
    auto command = led<v1::MoveShards>();
    *command.add_moves() = one;
    run(command, persistence::move_shards);
  }
  void hand(const v1::ShardAssignment& one, const std::string& by = "a") {
    v1::HandOverShards command;
    command.set_name(by);
    command.set_incarnation(1);
    *command.add_shards() = one;
    run(command, persistence::hand_over_shards);
  }
  std::string row(int shard) {
    const auto& x = there.shard_rows()[static_cast<std::size_t>(shard)];
    return fmt::format("{}/{}@{}{}{}", x.owner(), x.incarnation(), x.epoch(),
                       x.target().empty() ? "" : ">", x.target());
  }

  memory_cluster there;
};

/// Nodes a, which leads and owns all four shards, b and c.
struct three_nodes : commands_fixture {
  three_nodes() {
    for (const auto* name : {"a", "b", "c"})
      join(name);
  }
  /// c's lease ends, the others' do not.
  void let_c_lapse() {
    there.clock_us += 1'200 * ms;
    renew("a", 1, true);
    renew("b");
  }
};

} // namespace troupe::test
