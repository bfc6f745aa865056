// Shards in the cluster's tables: given away, moved, handed over, claimed.
#include "tests/support/commands_fixture.hpp"

#include <doctest/doctest.h>

using namespace troupe;
using namespace troupe::test;
namespace p = persistence;

// -- shards -------------------------------------------------------------------

TEST_CASE_FIXTURE(three_nodes,
                  "a shard is given away only when its owner is gone, to one that is up") {
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

TEST_CASE_FIXTURE(three_nodes, "a move names a node that is up, and is taken back by naming none") {
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

TEST_CASE_FIXTURE(three_nodes, "an owner hands a shard to its target, once") {
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

TEST_CASE_FIXTURE(three_nodes, "an owner may keep a shard under a new epoch, whatever its target") {
  move(to(0, 1, "b"));
  hand(to(0, 1, "a"));
  CHECK(row(0) == "a/1@2");
  hand(to(0, 1, "b")); // was on its way
  CHECK(row(0) == "a/1@2");
  hand(to(0, 2, "a", 5));
  CHECK(row(0) == "a/1@2");
}

TEST_CASE_FIXTURE(three_nodes, "a target that leaves gets nothing any more") {
  move(to(0, 1, "b"));
  change("b", v1::NODE_STATE_LEAVING);
  hand(to(0, 1, "b"));
  CHECK(row(0) == "a/1@1>b");
}

TEST_CASE_FIXTURE(three_nodes, "who is no member hands nothing over and changes nothing") {
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

TEST_CASE_FIXTURE(three_nodes, "a claim holds for the epoch the shard has") {
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

TEST_CASE_FIXTURE(three_nodes,
                  "shards of an incarnation before are nobody's to hand over, and given away") {
  auto command = joining("a");
  command.mutable_node()->set_roles(0, "gateway"); // it does not take them over
  run(command, p::join_cluster);
  REQUIRE(row(0) == "a/1@1");
  v1::HandOverShards handing;
  handing.set_name("a");
  handing.set_incarnation(2);
  *handing.add_shards() = to(0, 1, "a", 2);
  run(handing, p::hand_over_shards);
  CHECK(row(0) == "a/1@1");
  auto assigning = led<v1::AssignShards>();
  assigning.mutable_leader()->set_incarnation(2);
  *assigning.add_assignments() = to(0, 1, "b");
  run(assigning, p::assign_shards);
  CHECK(row(0) == "b/1@2");
}
