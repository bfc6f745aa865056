// What the authority's commands do to the cluster's tables, and what they refuse.
#include "persistence/cluster_commands.hpp"

#include "persistence/failure.hpp"
#include "tests/support/memory_cluster.hpp"

#include <doctest/doctest.h>

#include <fmt/format.h>

using namespace troupe;
using namespace troupe::test;
namespace p = persistence;

namespace {

constexpr std::int64_t ms = 1'000;

struct fixture {
  template <class Answer, class Command>
  Answer run(const Command& command, Answer (*work)(p::cluster_repository&, const Command&)) {
    return there.transact([&](auto& tables) { return work(tables, command); });
  }
  /// The code of its refusal.
  template <class Answer, class Command>
  ec refusal(const Command& command, Answer (*work)(p::cluster_repository&, const Command&)) {
    auto changes = there.changes();
    try {
      run(command, work);
      return ec::none;
    } catch (const p::failure& error) {
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
  v1::ClusterJoined join(const std::string& name) { return run(joining(name), p::join_cluster); }
  v1::ClusterView renew(const std::string& name, std::int64_t incarnation = 1, bool lead = false) {
    v1::RenewLease command;
    command.set_name(name);
    command.set_incarnation(incarnation);
    command.set_lease_ms(1'200);
    command.set_leader_lease_ms(lead ? 1'200 : 0);
    return run(command, p::renew_lease);
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
    run(command, p::report_suspicions);
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
    run(declaring(name), p::declare_dead);
    return there.node_row(name)->state();
  }
  v1::ClusterView change(const std::string& name, v1::NodeState state) {
    v1::ChangeNodeState command;
    command.set_name(name);
    command.set_incarnation(1);
    command.set_state(state);
    return run(command, p::change_node_state);
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
    run(command, p::assign_shards);
  }
  void move(const v1::ShardAssignment& one) {
    auto command = led<v1::MoveShards>();
    *command.add_moves() = one;
    run(command, p::move_shards);
  }
  void hand(const v1::ShardAssignment& one, const std::string& by = "a") {
    v1::HandOverShards command;
    command.set_name(by);
    command.set_incarnation(1);
    *command.add_shards() = one;
    run(command, p::hand_over_shards);
  }
  std::string row(int shard) {
    const auto& x = there.shard_rows()[static_cast<std::size_t>(shard)];
    return fmt::format("{}/{}@{}{}{}", x.owner(), x.incarnation(), x.epoch(),
                       x.target().empty() ? "" : ">", x.target());
  }

  memory_cluster there;
};

struct three : fixture {
  three() {
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

} // namespace

// -- joining ------------------------------------------------------------------

TEST_CASE_FIXTURE(fixture, "the first node leads, and owns every shard") {
  auto answer = join("a");
  CHECK(answer.node().incarnation() == 1);
  CHECK(answer.node().state() == v1::NODE_STATE_UP);
  CHECK(answer.node().lease_until_us() == there.clock_us + 1'200 * ms);
  CHECK(answer.view().leader() == "a");
  CHECK(answer.view().leader_until_us() == there.clock_us + 1'200 * ms);
  CHECK(!answer.view().cluster_id().empty());
  REQUIRE(answer.view().shards_size() == 4);
  for (int i = 0; i < 4; ++i)
    CHECK(row(i) == "a/1@1");
  auto second = join("b");
  CHECK(second.view().leader() == "a");
  CHECK(second.view().cluster_id() == answer.view().cluster_id());
  CHECK(second.view().version() > answer.view().version());
  CHECK(row(0) == "a/1@1");
}

TEST_CASE_FIXTURE(fixture, "a first node without sessions owns nothing") {
  auto command = joining("a");
  command.mutable_node()->set_roles(0, "gateway");
  run(command, p::join_cluster);
  CHECK(row(0) == "/0@0");
}

TEST_CASE_FIXTURE(fixture, "nonsense is refused, and changes nothing") {
  auto command = joining("a");
  SUBCASE("no name") { command.mutable_node()->set_name(""); }
  SUBCASE("a name of spaces") { command.mutable_node()->set_name("a b"); }
  SUBCASE("no lease") { command.set_lease_ms(0); }
  SUBCASE("a lease before now") { command.set_lease_ms(-5); }
  SUBCASE("a lease without end") { command.set_lease_ms(std::int64_t{1} << 60); }
  SUBCASE("a lead before now") { command.set_leader_lease_ms(-1); }
  SUBCASE("shards below zero") { command.set_shards(-1); }
  SUBCASE("too many shards") { command.set_shards(1 << 30); }
  CHECK_THROWS_AS(run(command, p::join_cluster), const p::failure&);
  CHECK(there.node_rows().empty());
  CHECK(there.shard_rows().empty());
  CHECK(there.state(false).cluster_id.empty());
}

TEST_CASE_FIXTURE(three, "a name is taken while its lease holds, but for who has its identity") {
  auto other = joining("b", "another ");
  CHECK(refusal(other, p::join_cluster) == ec::conflict);
  auto own = run(joining("b"), p::join_cluster);
  CHECK(own.node().incarnation() == 2);
  renew("a", 1, true);
  there.clock_us += 1'200 * ms;
  renew("a", 1, true);
  CHECK(run(other, p::join_cluster).node().incarnation() == 3);
}

TEST_CASE_FIXTURE(fixture, "nodes without an identity are never the same") {
  auto command = joining("a", "");
  command.mutable_node()->clear_identity();
  run(command, p::join_cluster);
  CHECK(refusal(command, p::join_cluster) == ec::conflict);
}

TEST_CASE_FIXTURE(three, "who takes its own name over keeps its shards, under new epochs") {
  move(to(1, 1, "b"));
  auto again = join("a");
  CHECK(again.node().incarnation() == 2);
  CHECK(again.view().leader() == "a");
  for (int i = 0; i < 4; ++i)
    CHECK(row(i) == "a/2@2");
  v1::ShardClaim old;
  old.set_epoch(1);
  CHECK_THROWS_AS(p::check_claim(there, old), const p::failure&);
}

TEST_CASE_FIXTURE(three, "a join that is done late does not replace who has joined since") {
  let_c_lapse();
  suspect("a", {"c"});
  suspect("b", {"c"});
  REQUIRE(declare("c") == v1::NODE_STATE_DEAD);
  auto again = joining("c");
  again.mutable_node()->set_incarnation(1);
  CHECK(run(again, p::join_cluster).node().incarnation() == 2);
  CHECK(refusal(again, p::join_cluster) == ec::conflict);
  // Its answer was lost, and nobody renews it: then the name is free.
  there.clock_us += 1'200 * ms;
  renew("a", 1, true);
  CHECK(run(again, p::join_cluster).node().incarnation() == 3);
}

TEST_CASE_FIXTURE(three, "who joins when every lease has ended has all shards") {
  there.clock_us += 1'200 * ms;
  join("d");
  CHECK(there.node_row("a")->state() == v1::NODE_STATE_DEAD);
  CHECK(there.node_row("b")->state() == v1::NODE_STATE_DEAD);
  CHECK(there.state(false).leader == "d");
  for (int i = 0; i < 4; ++i)
    CHECK(row(i) == "d/1@2");
}

TEST_CASE_FIXTURE(three, "who joins beside one whose lease holds takes nothing") {
  there.clock_us += 1'199 * ms;
  join("d");
  CHECK(row(0) == "a/1@1");
  CHECK(there.node_row("a")->state() == v1::NODE_STATE_UP);
}

// -- leases -------------------------------------------------------------------

TEST_CASE_FIXTURE(three,
                  "a renewal prolongs the lease, and gives shards only if something changed") {
  there.clock_us += 300 * ms;
  v1::RenewLease command;
  command.set_name("b");
  command.set_incarnation(1);
  command.set_lease_ms(1'200);
  auto first = run(command, p::renew_lease);
  CHECK(there.node_row("b")->lease_until_us() == there.clock_us + 1'200 * ms);
  CHECK(first.now_us() == there.clock_us);
  CHECK(first.shards_size() == 4);
  command.set_known_version(first.version());
  auto second = run(command, p::renew_lease);
  CHECK(second.version() == first.version());
  CHECK(second.shards_size() == 0);
  CHECK(second.nodes_size() == 3);
  move(to(1, 1, "b"));
  CHECK(run(command, p::renew_lease).shards_size() == 4);
}

TEST_CASE_FIXTURE(three, "who is dead, left, replaced or unknown renews nothing") {
  v1::RenewLease command;
  command.set_name("c");
  command.set_incarnation(1);
  command.set_lease_ms(1'200);
  SUBCASE("dead") {
    let_c_lapse();
    suspect("a", {"c"});
    suspect("b", {"c"});
    REQUIRE(declare("c") == v1::NODE_STATE_DEAD);
  }
  SUBCASE("left") { change("c", v1::NODE_STATE_LEFT); }
  SUBCASE("replaced") { join("c"); }
  SUBCASE("unknown") { command.set_name("d"); }
  CHECK(refusal(command, p::renew_lease) == ec::fenced);
}

TEST_CASE_FIXTURE(three, "a lease that ended is renewed as long as nobody declared it dead") {
  there.clock_us += 60'000 * ms;
  CHECK_NOTHROW(renew("c"));
}

TEST_CASE_FIXTURE(three, "the lead is kept by who has it, and free when it ended") {
  renew("b", 1, true);
  CHECK(there.state(false).leader == "a");
  there.clock_us += 1'199 * ms;
  renew("b", 1, true);
  CHECK(there.state(false).leader == "a");
  auto version = there.state(false).version;
  renew("a", 1, true);
  CHECK(there.state(false).version == version); // others need not know
  CHECK(there.state(false).leader_until_us == there.clock_us + 1'200 * ms);
  there.clock_us += 1'200 * ms;
  renew("b");
  CHECK(there.state(false).leader == "a"); // it does not want it
  renew("b", 1, true);
  CHECK(there.state(false).leader == "b");
  CHECK(there.state(false).version > version);
}

TEST_CASE_FIXTURE(three, "a leader that left or was started again leads no more") {
  SUBCASE("left") {
    change("a", v1::NODE_STATE_LEFT);
    CHECK(there.state(false).leader.empty());
    renew("b", 1, true);
    CHECK(there.state(false).leader == "b");
  }
  SUBCASE("started again") {
    join("a");
    CHECK(refusal(led<v1::MoveShards>(), p::move_shards) == ec::not_owner);
  }
}

// -- suspicions and deaths ----------------------------------------------------

TEST_CASE_FIXTURE(three, "a report replaces what this node suspected, and names members only") {
  suspect("a", {"b", "c", "nobody", "a", "c"});
  REQUIRE(there.suspicion_rows().size() == 2);
  CHECK(there.suspicion_rows()[0].by() == "a");
  suspect("a", {"c"}, 7);
  CHECK(there.suspicion_rows().empty());
  suspect("b", {"c"});
  suspect("a", {"c"});
  suspect("a", {});
  REQUIRE(there.suspicion_rows().size() == 1);
  CHECK(there.suspicion_rows()[0].by() == "b");
}

TEST_CASE_FIXTURE(three, "nobody is declared dead whose lease holds") {
  suspect("a", {"c"});
  suspect("b", {"c"});
  CHECK(declare("c") == v1::NODE_STATE_UP);
  let_c_lapse();
  there.clock_us -= 1; // the last microsecond of it
  CHECK(declare("c") == v1::NODE_STATE_UP);
  there.clock_us += 1;
  CHECK(declare("c") == v1::NODE_STATE_DEAD);
  CHECK(there.suspicion_rows().empty());
}

TEST_CASE_FIXTURE(three, "of three nodes two have to miss the third") {
  let_c_lapse();
  CHECK(declare("c") == v1::NODE_STATE_UP);
  suspect("b", {"c"});
  CHECK(declare("c") == v1::NODE_STATE_UP);
  suspect("a", {"c"});
  CHECK(declare("c") == v1::NODE_STATE_DEAD);
}

TEST_CASE_FIXTURE(three, "whose own lease ended misses nobody") {
  join("d");
  suspect("b", {"c"});
  suspect("d", {"c"});
  there.clock_us += 1'200 * ms;
  renew("a", 1, true);
  renew("b");
  CHECK(declare("c") == v1::NODE_STATE_UP);
}

TEST_CASE_FIXTURE(three, "when one other is left, it is enough that one misses it") {
  there.clock_us += 1'200 * ms;
  renew("a", 1, true);
  CHECK(declare("c") == v1::NODE_STATE_UP);
  suspect("a", {"b", "c"});
  CHECK(declare("c") == v1::NODE_STATE_DEAD);
  CHECK(declare("b") == v1::NODE_STATE_DEAD);
}

TEST_CASE_FIXTURE(three, "only who leads may command, and only while its lead lasts") {
  auto command = declaring("c", "b");
  CHECK(refusal(command, p::declare_dead) == ec::not_owner);
  CHECK(refusal(led<v1::AssignShards>("b"), p::assign_shards) == ec::not_owner);
  CHECK(refusal(led<v1::MoveShards>("b"), p::move_shards) == ec::not_owner);
  there.clock_us += 1'200 * ms;
  CHECK(refusal(led<v1::MoveShards>("a"), p::move_shards) == ec::not_owner);
}

// -- shards -------------------------------------------------------------------

TEST_CASE_FIXTURE(three, "a shard is given away only when its owner is gone, to one that is up") {
  assign(to(0, 1, "b"));
  CHECK(row(0) == "a/1@1");
  change("a", v1::NODE_STATE_LEFT);
  renew("b", 1, true);
  auto command = led<v1::AssignShards>("b");
  *command.add_assignments() = to(0, 1, "c");
  *command.add_assignments() = to(1, 9, "c");    // another epoch
  *command.add_assignments() = to(2, 1, "c", 2); // another incarnation
  *command.add_assignments() = to(3, 1, "a");    // gone
  *command.add_assignments() = to(99, 1, "c");
  *command.add_assignments() = to(-1, 1, "c");
  run(command, p::assign_shards);
  CHECK(row(0) == "c/1@2");
  for (int i = 1; i < 4; ++i)
    CHECK(row(i) == "a/1@1");
  change("c", v1::NODE_STATE_LEAVING);
  *command.mutable_assignments(0) = to(1, 1, "c");
  run(command, p::assign_shards);
  CHECK(row(1) == "a/1@1");
}

TEST_CASE_FIXTURE(three, "a move names a node that is up, and is taken back by naming none") {
  move(to(0, 1, "b"));
  CHECK(row(0) == "a/1@1>b");
  auto version = there.state(false).version;
  move(to(0, 1, "b"));
  CHECK(there.state(false).version == version);
  move(to(0, 1, ""));
  CHECK(row(0) == "a/1@1");
  change("c", v1::NODE_STATE_LEAVING);
  for (const auto& bad : {to(0, 1, "c"), to(0, 1, "nobody"), to(0, 1, "a"), to(0, 1, "b", 2),
                          to(0, 7, "b"), to(44, 0, "b")})
    move(bad);
  CHECK(row(0) == "a/1@1");
  auto command = joining("g");
  command.mutable_node()->set_roles(0, "gateway");
  run(command, p::join_cluster);
  move(to(0, 1, "g"));
  CHECK(row(0) == "a/1@1");
}

TEST_CASE_FIXTURE(three, "an owner hands a shard to its target, once") {
  move(to(0, 1, "b"));
  for (const auto& bad : {to(0, 2, "b"), to(0, 1, "c"), to(0, 1, "b", 2), to(1, 1, "b")})
    hand(bad);
  hand(to(0, 1, "b"), "c");
  CHECK(row(0) == "a/1@1>b");
  hand(to(0, 1, "b"));
  CHECK(row(0) == "b/1@2");
  hand(to(0, 1, "b"));
  CHECK(row(0) == "b/1@2");
}

TEST_CASE_FIXTURE(three, "an owner may keep a shard under a new epoch, whatever its target") {
  move(to(0, 1, "b"));
  hand(to(0, 1, "a"));
  CHECK(row(0) == "a/1@2");
  hand(to(0, 1, "b")); // was on its way
  CHECK(row(0) == "a/1@2");
  hand(to(0, 2, "a", 5));
  CHECK(row(0) == "a/1@2");
}

TEST_CASE_FIXTURE(three, "a target that leaves gets nothing any more") {
  move(to(0, 1, "b"));
  change("b", v1::NODE_STATE_LEAVING);
  hand(to(0, 1, "b"));
  CHECK(row(0) == "a/1@1>b");
}

TEST_CASE_FIXTURE(three, "who is no member hands nothing over and changes nothing") {
  v1::HandOverShards command;
  command.set_name("a");
  command.set_incarnation(9);
  CHECK(refusal(command, p::hand_over_shards) == ec::fenced);
  v1::ChangeNodeState state;
  state.set_name("a");
  state.set_incarnation(9);
  state.set_state(v1::NODE_STATE_LEFT);
  CHECK(refusal(state, p::change_node_state) == ec::fenced);
  state.set_incarnation(1);
  state.set_state(v1::NODE_STATE_DEAD);
  CHECK(refusal(state, p::change_node_state) == ec::invalid_argument);
  v1::ReportSuspicions report;
  report.set_by("d");
  CHECK(refusal(report, p::report_suspicions) == ec::fenced);
}

TEST_CASE_FIXTURE(three, "a claim holds for the epoch the shard has") {
  v1::ShardClaim claim;
  CHECK_NOTHROW(p::check_claim(there, claim)); // claims nothing
  claim.set_epoch(1);
  CHECK_NOTHROW(p::check_claim(there, claim));
  move(to(0, 1, "b"));
  CHECK_NOTHROW(p::check_claim(there, claim));
  hand(to(0, 1, "b"));
  CHECK_THROWS_AS(p::check_claim(there, claim), const p::failure&);
  claim.set_epoch(2);
  CHECK_NOTHROW(p::check_claim(there, claim));
  claim.set_epoch(3);
  CHECK_THROWS_AS(p::check_claim(there, claim), const p::failure&);
  claim.set_shard(4);
  CHECK_THROWS_AS(p::check_claim(there, claim), const p::failure&);
}
