// Nodes in the cluster's tables: who joins, stays, leads, is missed and declared dead.
#include "tests/support/commands_fixture.hpp"

#include <doctest/doctest.h>

using namespace troupe;
using namespace troupe::test;
namespace p = persistence;

// -- joining ------------------------------------------------------------------

TEST_CASE_FIXTURE(commands_fixture, "the first node leads, and owns every shard") {
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

TEST_CASE_FIXTURE(commands_fixture, "a first node without sessions owns nothing") {
  auto command = joining("a");
  command.mutable_node()->set_roles(0, "gateway");
  run(command, p::join_cluster);
  CHECK(row(0) == "/0@0");
}

TEST_CASE_FIXTURE(commands_fixture, "nonsense is refused, and changes nothing") {
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

TEST_CASE_FIXTURE(three_nodes,
                  "a name is taken while its lease holds, but for who has its identity") {
  auto other = joining("b", "another ");
  CHECK(refusal(other, p::join_cluster) == ec::conflict);
  auto own = run(joining("b"), p::join_cluster);
  CHECK(own.node().incarnation() == 2);
  renew("a", 1, true);
  there.clock_us += 1'200 * ms;
  renew("a", 1, true);
  CHECK(run(other, p::join_cluster).node().incarnation() == 3);
}

TEST_CASE_FIXTURE(commands_fixture, "nodes without an identity are never the same") {
  auto command = joining("a", "");
  command.mutable_node()->clear_identity();
  run(command, p::join_cluster);
  CHECK(refusal(command, p::join_cluster) == ec::conflict);
}

TEST_CASE_FIXTURE(three_nodes, "who takes its own name over keeps its shards, under new epochs") {
  move(to(1, 1, "b"));
  suspect("a", {"b"});
  suspect("b", {"a"});
  auto again = join("a");
  CHECK(again.node().incarnation() == 2);
  CHECK(again.view().leader() == "a");
  CHECK(there.suspicion_rows().empty());
  for (int i = 0; i < 4; ++i)
    CHECK(row(i) == "a/2@2");
  v1::ShardClaim old;
  old.set_epoch(1);
  CHECK_THROWS_AS(p::check_claim(there, old), const p::failure&);
}

TEST_CASE_FIXTURE(three_nodes, "a join that is done late does not replace who has joined since") {
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

TEST_CASE_FIXTURE(three_nodes, "who joins when every lease has ended has all shards") {
  there.clock_us += 1'200 * ms;
  join("d");
  CHECK(there.node_row("a")->state() == v1::NODE_STATE_DEAD);
  CHECK(there.node_row("b")->state() == v1::NODE_STATE_DEAD);
  CHECK(there.state(false).leader == "d");
  for (int i = 0; i < 4; ++i)
    CHECK(row(i) == "d/1@2");
}

TEST_CASE_FIXTURE(three_nodes, "who joins beside one whose lease holds takes nothing") {
  there.clock_us += 1'199 * ms;
  join("d");
  CHECK(row(0) == "a/1@1");
  there.clock_us += 1 * ms;
  renew("c");
  join("e");
  CHECK(row(0) == "a/1@1");
  CHECK(there.node_row("a")->state() == v1::NODE_STATE_UP); // to be missed by others first
}

// -- leases -------------------------------------------------------------------

TEST_CASE_FIXTURE(three_nodes,
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

TEST_CASE_FIXTURE(three_nodes, "who is dead, left, replaced or unknown renews nothing") {
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

TEST_CASE_FIXTURE(three_nodes, "a lease that ended is renewed as long as nobody declared it dead") {
  there.clock_us += 60'000 * ms;
  CHECK_NOTHROW(renew("c"));
}

TEST_CASE_FIXTURE(three_nodes, "the lead is kept by who has it, and free when it ended") {
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

TEST_CASE_FIXTURE(three_nodes, "a leader that left or was started again leads no more") {
  SUBCASE("left") {
    change("a", v1::NODE_STATE_LEFT);
    CHECK(there.state(false).leader.empty());
    CHECK(there.node_row("a")->lease_until_us() == there.clock_us);
    renew("b", 1, true);
    CHECK(there.state(false).leader == "b");
  }
  SUBCASE("started again") {
    join("a");
    CHECK(refusal(led<v1::MoveShards>(), p::move_shards) == ec::not_owner);
  }
}

// -- suspicions and deaths ----------------------------------------------------

TEST_CASE_FIXTURE(three_nodes,
                  "a report replaces what this node suspected, and names members only") {
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

TEST_CASE_FIXTURE(three_nodes, "nobody is declared dead whose lease holds") {
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

TEST_CASE_FIXTURE(three_nodes, "of three nodes two have to miss the third") {
  let_c_lapse();
  CHECK(declare("c") == v1::NODE_STATE_UP);
  suspect("b", {"c"});
  CHECK(declare("c") == v1::NODE_STATE_UP);
  v1::Suspicion of_before;
  of_before.set_by("a");
  of_before.set_node("c");
  there.add_suspicion(of_before);
  CHECK(declare("c") == v1::NODE_STATE_UP);
  suspect("a", {"c"});
  CHECK(declare("c") == v1::NODE_STATE_DEAD);
}

TEST_CASE_FIXTURE(three_nodes, "whose own lease ended misses nobody") {
  join("d");
  suspect("b", {"c"});
  suspect("d", {"c"});
  there.clock_us += 1'200 * ms;
  renew("a", 1, true);
  renew("b");
  CHECK(declare("c") == v1::NODE_STATE_UP);
}

TEST_CASE_FIXTURE(three_nodes, "when one other is left, it is enough that one misses it") {
  there.clock_us += 1'200 * ms;
  renew("a", 1, true);
  CHECK(declare("c") == v1::NODE_STATE_UP);
  suspect("a", {"b", "c"});
  CHECK(declare("c") == v1::NODE_STATE_DEAD);
  CHECK(declare("b") == v1::NODE_STATE_DEAD);
}

TEST_CASE_FIXTURE(three_nodes, "only who leads may command, and only while its lead lasts") {
  auto command = declaring("c", "b");
  CHECK(refusal(command, p::declare_dead) == ec::not_owner);
  CHECK(refusal(led<v1::AssignShards>("b"), p::assign_shards) == ec::not_owner);
  CHECK(refusal(led<v1::MoveShards>("b"), p::move_shards) == ec::not_owner);
  there.clock_us += 1'200 * ms;
  CHECK(refusal(led<v1::MoveShards>("a"), p::move_shards) == ec::not_owner);
}
