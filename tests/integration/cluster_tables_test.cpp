// The cluster's tables in a real database: they do what those in memory do, command for command.
#include "persistence/cluster_commands.hpp"
#include "tests/support/backends.hpp"
#include "tests/support/memory_cluster.hpp"
#include "tests/support/simulated_world.hpp"

#include <doctest/doctest.h>

#include <algorithm>

using namespace troupe;
using namespace troupe::persistence;
using namespace troupe::test;

namespace {

/// A database's tables under the clock of others.
class clocked final : public cluster_repository {
public:
  clocked(cluster_repository& tables, std::int64_t now_us) : tables_(tables), now_us_(now_us) {}
  std::int64_t now_us() override { return now_us_; }
  cluster_state state(bool lock) override { return tables_.state(lock); }
  void put_state(const cluster_state& x) override { tables_.put_state(x); }
  std::vector<v1::Node> nodes() override { return tables_.nodes(); }
  std::optional<v1::Node> find_node(std::string_view name) override {
    return tables_.find_node(name);
  }
  void put_node(const v1::Node& x) override { tables_.put_node(x); }
  bool renew(std::string_view name, std::int64_t incarnation, std::int64_t until_us) override {
    return tables_.renew(name, incarnation, until_us);
  }
  bool mark_dead(std::string_view name, std::int64_t incarnation, std::int64_t us) override {
    return tables_.mark_dead(name, incarnation, us);
  }
  std::vector<v1::Suspicion> suspicions() override { return tables_.suspicions(); }
  void add_suspicion(const v1::Suspicion& x) override { tables_.add_suspicion(x); }
  void erase_suspicions_by(std::string_view by) override { tables_.erase_suspicions_by(by); }
  void erase_suspicions_of(std::string_view node) override { tables_.erase_suspicions_of(node); }
  std::vector<v1::Shard> shards() override { return tables_.shards(); }
  void make_shards(int count) override { tables_.make_shards(count); }
  bool assign(int shard, std::int64_t epoch, std::string_view owner,
              std::int64_t incarnation) override {
    return tables_.assign(shard, epoch, owner, incarnation);
  }
  std::int64_t take_over(std::string_view owner, std::int64_t incarnation) override {
    return tables_.take_over(owner, incarnation);
  }
  bool set_target(int shard, std::int64_t epoch, std::string_view target) override {
    return tables_.set_target(shard, epoch, target);
  }
  std::int64_t hold_epoch(int shard) override { return tables_.hold_epoch(shard); }

private:
  cluster_repository& tables_;
  std::int64_t now_us_;
};

/// Random commands, many of which make sense, done on both.
class twins {
public:
  twins(database& db, std::uint64_t seed) : db_(db), random_(seed) {}

  void step() {
    memory.clock_us += random_.between(0, 150'000);
    if (const auto* row = memory.node_row(name()); row != nullptr && random_.chance(50))
      memory.clock_us = std::max(memory.clock_us, row->lease_until_us()); // just when it ends
    switch (random_.below(10)) {
      case 0:
        return join();
      case 1:
      case 2:
      case 3:
        return renew();
      case 4:
        return report();
      case 5: {
        v1::DeclareDead command;
        *command.mutable_leader() = leader();
        command.set_name(name());
        command.set_incarnation(incarnation(command.name()));
        return both(command, declare_dead);
      }
      case 6: {
        v1::AssignShards command;
        *command.mutable_leader() = leader();
        fill(*command.mutable_assignments());
        return both(command, assign_shards);
      }
      case 7: {
        v1::MoveShards command;
        *command.mutable_leader() = leader();
        fill(*command.mutable_moves());
        return both(command, move_shards);
      }
      case 8:
        return hand_over();
      default: {
        v1::ChangeNodeState command;
        command.set_name(name());
        command.set_incarnation(incarnation(command.name()));
        command.set_state(static_cast<v1::NodeState>(random_.between(1, 4)));
        return both(command, change_node_state);
      }
    }
  }

  memory_cluster memory;
  int done = 0;
  int refused = 0;

private:
  void join() {
    v1::JoinCluster command;
    auto& node = *command.mutable_node();
    node.set_name(name());
    node.set_identity(random_.chance(700) ? node.name() : "another");
    node.set_address("127.0.0.1:7400");
    if (random_.chance(800))
      node.add_roles("session");
    command.set_lease_ms(random_.between(0, 2'000));
    command.set_leader_lease_ms(1'200);
    command.set_shards(8);
    both(command, join_cluster);
  }
  void renew() {
    v1::RenewLease command;
    command.set_name(name());
    command.set_incarnation(incarnation(command.name()));
    command.set_lease_ms(1'200);
    command.set_leader_lease_ms(random_.chance(500) ? 1'200 : 0);
    command.set_known_version(memory.state(false).version);
    both(command, renew_lease);
  }
  void report() {
    v1::ReportSuspicions command;
    command.set_by(name());
    command.set_incarnation(incarnation(command.by()));
    for (int i = random_.below(4); i > 0; --i) {
      auto& one = *command.add_suspicions();
      one.set_node(name());
      one.set_incarnation(incarnation(one.node()));
    }
    both(command, report_suspicions);
  }
  void hand_over() {
    v1::HandOverShards command;
    command.set_name(name());
    command.set_incarnation(incarnation(command.name()));
    fill(*command.mutable_shards());
    both(command, hand_over_shards);
  }

  std::string name() { return std::string(1, static_cast<char>('a' + random_.below(4))); }
  /// Mostly the one in the tables.
  std::int64_t incarnation(const std::string& name) {
    const auto* row = memory.node_row(name);
    return row == nullptr || random_.chance(100) ? random_.between(0, 3) : row->incarnation();
  }
  v1::LeaderClaim leader() {
    v1::LeaderClaim out;
    auto state = memory.state(false);
    out.set_name(random_.chance(900) ? state.leader : name());
    out.set_incarnation(state.leader_incarnation);
    return out;
  }
  void fill(google::protobuf::RepeatedPtrField<v1::ShardAssignment>& list) {
    for (int i = random_.below(5); i >= 0; --i) {
      auto& one = *list.Add();
      one.set_shard(random_.below(9));
      one.set_epoch(memory.hold_epoch(one.shard()) + (random_.chance(100) ? 1 : 0));
      one.set_owner(random_.chance(150) ? "" : name());
      one.set_incarnation(incarnation(one.owner()));
    }
  }

  template <class Answer, class Command>
  static std::string outcome(const Command& command, cluster_repository& tables,
                             Answer (*work)(cluster_repository&, const Command&)) {
    auto answer = work(tables, command);
    if constexpr (std::is_same_v<Answer, v1::ClusterJoined>)
      answer.mutable_view()->clear_cluster_id();
    if constexpr (std::is_same_v<Answer, v1::ClusterView>)
      answer.clear_cluster_id();
    return answer.ShortDebugString();
  }
  template <class Answer, class Command>
  void both(const Command& command, Answer (*work)(cluster_repository&, const Command&)) {
    std::string expected;
    std::string got;
    try {
      expected = memory.transact([&](auto& tables) { return outcome(command, tables, work); });
      ++done;
    } catch (const failure& error) {
      expected = to_string(error.code);
      ++refused;
    }
    try {
      unit_of_work unit{db_, access::write};
      clocked tables{db_.cluster(), memory.clock_us};
      got = outcome(command, tables, work);
      unit.commit();
    } catch (const failure& error) {
      got = to_string(error.code);
    }
    CAPTURE(command.ShortDebugString());
    REQUIRE(got == expected);
  }

  database& db_;
  seeded random_;
};

} // namespace

TEST_CASE("a database does to the cluster's tables what memory does, command for command") {
  on_each_backend([](test_database& there) {
    twins pair{there.db(), 7};
    for (int i = 0; i < 1'500; ++i) {
      CAPTURE(i);
      pair.step();
    }
    CHECK(pair.done > 500);
    CHECK(pair.refused > 200);
    CHECK(pair.memory.node_rows().size() == 4);
    unit_of_work unit{there.db(), access::write}; // to hold a row is to write, to PostgreSQL
    for (int shard = -1; shard < 9; ++shard)
      CHECK(there.db().cluster().hold_epoch(shard) == pair.memory.hold_epoch(shard));
  });
}

TEST_CASE("the database's clock is that of the day, and goes on") {
  on_each_backend([](test_database& there) {
    constexpr std::int64_t year_us = 365LL * 24 * 3'600 * 1'000'000;
    std::int64_t last = 50 * year_us;
    for (int i = 0; i < 3; ++i) {
      unit_of_work unit{there.db(), access::read};
      auto now = there.db().cluster().now_us();
      CHECK(now >= last);
      CHECK(now < 130 * year_us);
      last = now;
    }
  });
}
