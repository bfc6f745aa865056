// The authority's commands from two nodes at once, on PostgreSQL.
#include "persistence/cluster_commands.hpp"
#include "tests/support/postgres.hpp"
#include "tests/support/script_server.hpp"
#include "tests/support/two_nodes.hpp"

#include <doctest/doctest.h>

#include <thread>

using namespace troupe;
using namespace troupe::persistence;
using test::two_nodes;

namespace {

constexpr std::int64_t long_ms = 60'000;

template <class Function>
ec code_of(Function&& function) {
  try {
    function();
  } catch (const failure& error) {
    return error.code;
  }
  return ec::none;
}

v1::JoinCluster join(const std::string& name, std::int64_t lease_ms = long_ms) {
  v1::JoinCluster out;
  out.mutable_node()->set_name(name);
  out.mutable_node()->add_roles("session");
  out.set_lease_ms(lease_ms);
  out.set_leader_lease_ms(long_ms);
  out.set_shards(8);
  return out;
}

v1::RenewLease renew(const v1::Node& node, std::int64_t leader_lease_ms = 0) {
  v1::RenewLease out;
  out.set_name(node.name());
  out.set_incarnation(node.incarnation());
  out.set_lease_ms(long_ms);
  out.set_leader_lease_ms(leader_lease_ms);
  return out;
}

v1::LeaderClaim leader(const v1::Node& node) {
  v1::LeaderClaim out;
  out.set_name(node.name());
  out.set_incarnation(node.incarnation());
  return out;
}

v1::ShardClaim claim(int shard, std::int64_t epoch) {
  v1::ShardClaim out;
  out.set_shard(shard);
  out.set_epoch(epoch);
  return out;
}

template <class Command, class Answer>
two_nodes::command into(Answer& out, Answer (*work)(cluster_repository&, const Command&),
                        const Command& command) {
  return [&out, work, command](database& db) { out = work(db.cluster(), command); };
}

v1::Node joined(two_nodes& n, const std::string& name, std::int64_t lease_ms = long_ms) {
  unit_of_work unit{n.db(), access::write};
  auto out = join_cluster(n.db().cluster(), join(name, lease_ms)).node();
  unit.commit();
  return out;
}

bool lease_is_over(two_nodes& n, const std::string& name) {
  return test::eventually([&] {
    auto& tables = n.db().cluster();
    return tables.find_node(name)->lease_until_us() <= tables.now_us();
  });
}

v1::AssignShards assign(const v1::Node& by, int shard, std::int64_t epoch, const v1::Node& to) {
  v1::AssignShards out;
  *out.mutable_leader() = leader(by);
  auto& one = *out.add_assignments();
  one.set_shard(shard);
  one.set_epoch(epoch);
  one.set_owner(to.name());
  one.set_incarnation(to.incarnation());
  return out;
}

/// `from` leaves its shards to nobody, and `next` leads.
void leave(two_nodes& n, const v1::Node& from, const v1::Node& next) {
  v1::ChangeNodeState command;
  command.set_name(from.name());
  command.set_incarnation(from.incarnation());
  command.set_state(v1::NODE_STATE_LEFT);
  unit_of_work unit{n.db(), access::write};
  change_node_state(n.db().cluster(), command);
  renew_lease(n.db().cluster(), renew(next, long_ms));
  unit.commit();
}

/// `by`, who leads, misses `node`; the command to declare it dead.
v1::DeclareDead missed_by(two_nodes& n, const v1::Node& by, const v1::Node& node) {
  v1::ReportSuspicions missed;
  missed.set_by(by.name());
  missed.set_incarnation(by.incarnation());
  auto& one = *missed.add_suspicions();
  one.set_node(node.name());
  one.set_incarnation(node.incarnation());
  unit_of_work unit{n.db(), access::write};
  report_suspicions(n.db().cluster(), missed);
  unit.commit();
  v1::DeclareDead out;
  *out.mutable_leader() = leader(by);
  out.set_name(node.name());
  out.set_incarnation(node.incarnation());
  return out;
}

} // namespace

TEST_CASE("the first two nodes of a cluster that join at once are of one cluster") {
  two_nodes n;
  v1::ClusterJoined first, second;
  n.interleave(into(first, join_cluster, join("a")), into(second, join_cluster, join("b")));
  CHECK(n.waited());
  CHECK(first.view().cluster_id() == second.view().cluster_id());
  CHECK(second.view().leader() == "a");
  CHECK(second.view().nodes_size() == 2);
  CHECK(second.view().version() == first.view().version() + 1);
  REQUIRE(second.view().shards_size() == 8);
  for (const auto& shard : second.view().shards()) {
    CHECK(shard.owner() == "a");
    CHECK(shard.epoch() == 1);
  }
}

TEST_CASE("one name is one node's when two join with it at once") {
  two_nodes n;
  v1::ClusterJoined first, second;
  CHECK(code_of([&] {
          n.interleave(into(first, join_cluster, join("a")), into(second, join_cluster, join("a")));
        })
        == ec::conflict);
  CHECK(n.db().cluster().find_node("a")->incarnation() == 1);
}

TEST_CASE("two nodes that want to lead at once have one leader") {
  two_nodes n;
  auto a = joined(n, "a");
  auto b = joined(n, "b");
  auto c = joined(n, "c");
  v1::ChangeNodeState command;
  command.set_name("a");
  command.set_incarnation(a.incarnation());
  command.set_state(v1::NODE_STATE_LEFT);
  unit_of_work unit{n.db(), access::write};
  CHECK(change_node_state(n.db().cluster(), command).leader().empty());
  unit.commit();
  v1::ClusterView first, second;
  n.interleave(into(first, renew_lease, renew(b, long_ms)),
               into(second, renew_lease, renew(c, long_ms)));
  CHECK(first.leader() == "b");
  CHECK(second.leader() == "b");
}

TEST_CASE("a node that renews its lease at the last moment is not declared dead") {
  two_nodes n;
  auto a = joined(n, "a");
  auto b = joined(n, "b", 1);
  REQUIRE(lease_is_over(n, "b"));
  auto dead = missed_by(n, a, b);
  v1::ClusterView first, second;
  n.interleave(into(first, renew_lease, renew(b)), into(second, declare_dead, dead));
  CHECK(n.waited());
  CHECK(n.db().cluster().find_node("b")->state() == v1::NODE_STATE_UP);
}

TEST_CASE("a node that was declared dead at the last moment does not renew its lease") {
  two_nodes n;
  auto a = joined(n, "a");
  auto b = joined(n, "b", 1);
  REQUIRE(lease_is_over(n, "b"));
  auto dead = missed_by(n, a, b);
  v1::ClusterView first, second;
  CHECK(code_of([&] {
          n.interleave(into(first, declare_dead, dead), into(second, renew_lease, renew(b)));
        })
        == ec::fenced);
  CHECK(n.db().cluster().find_node("b")->state() == v1::NODE_STATE_DEAD);
}

TEST_CASE("a node that starts alone leaves one in peace that renews at the same time") {
  two_nodes n;
  auto a = joined(n, "a", 1);
  REQUIRE(lease_is_over(n, "a"));
  v1::ClusterView first;
  v1::ClusterJoined second;
  n.interleave(into(first, renew_lease, renew(a)), into(second, join_cluster, join("b")));
  CHECK(n.waited());
  CHECK(n.db().cluster().find_node("a")->state() == v1::NODE_STATE_UP);
  CHECK(second.view().shards(0).owner() == "a");
}

TEST_CASE("a shard is not given away while a write that claims it is under way") {
  two_nodes n;
  auto a = joined(n, "a");
  auto b = joined(n, "b");
  leave(n, a, b);
  v1::ClusterView second;
  n.interleave([](database& db) { check_claim(db.cluster(), claim(3, 1)); },
               into(second, assign_shards, assign(b, 3, 1, b)));
  CHECK(n.waited());
  CHECK(second.shards(3).owner() == "b");
  CHECK(code_of([&] { check_claim(n.db().cluster(), claim(3, 1)); }) == ec::not_owner);
}

TEST_CASE("a write that claims a shard which is being given away is refused") {
  two_nodes n;
  auto a = joined(n, "a");
  auto b = joined(n, "b");
  leave(n, a, b);
  v1::ClusterView first;
  auto late = [](database& db) { check_claim(db.cluster(), claim(3, 1)); };
  CHECK(code_of([&] { n.interleave(into(first, assign_shards, assign(b, 3, 1, b)), late); })
        == ec::not_owner);
  CHECK(n.waited());
}

TEST_CASE("two writes of one shard do not wait for each other") {
  two_nodes n;
  joined(n, "a");
  auto write = [](database& db) { check_claim(db.cluster(), claim(3, 1)); };
  CHECK(code_of([&] { n.interleave(write, write); }) == ec::none);
  CHECK(!n.waited());
}

TEST_CASE("shards are given away in their order, as writes hold them: nobody waits for who waits") {
  two_nodes n;
  auto a = joined(n, "a");
  auto b = joined(n, "b");
  leave(n, a, b);
  auto command = assign(b, 5, 1, b);
  *command.add_assignments() = assign(b, 3, 1, b).assignments(0);
  unit_of_work write{n.db(), access::write};
  check_claim(n.db().cluster(), claim(3, 1));
  ec failed = ec::none;
  std::thread node{[&] {
    failed = code_of([&] {
      unit_of_work unit{n.other(), access::write};
      assign_shards(n.other().cluster(), command);
      unit.commit();
    });
  }};
  CHECK(test::eventually([] { return test::postgres().waiting() > 0; }));
  CHECK(code_of([&] {
          check_claim(n.db().cluster(), claim(5, 1));
          write.commit();
        })
        == ec::none);
  node.join();
  CHECK(failed == ec::none);
  CHECK(n.db().cluster().hold_epoch(5) == 2);
}
