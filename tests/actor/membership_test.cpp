// The membership as an actor, on the real commands and tables in memory.
#include "cluster/membership/membership.hpp"

#include "persistence/cluster_commands.hpp"
#include "persistence/failure.hpp"
#include "tests/support/actor_fixture.hpp"
#include "tests/support/memory_cluster.hpp"

#include <caf/event_based_actor.hpp>
#include <doctest/doctest.h>

using namespace troupe;
using namespace std::chrono_literals;
namespace p = persistence;

namespace {

/// The database: its tables, and what is wrong with it.
struct database {
  test::memory_cluster tables;
  ec refuses = ec::none;
  bool silent = false;
  std::vector<bool> renewals; // of the commands, in order: whether it was one
  bool holds_back = false;    // answers of handing over, until somebody asks for the tables
};
using database_ptr = std::shared_ptr<database>;

struct authority_fake_state {
  static inline const char* name = "authority";
  std::vector<caf::response_promise> forgotten;
  std::vector<std::function<void()>> held;
};
using self_type = authority_actor::stateful_pointer<authority_fake_state>;

template <class Command, class Answer>
auto run(self_type self, const database_ptr& there,
         Answer (*work)(p::cluster_repository&, const Command&)) {
  return [self, there, work](const payload<Command>& command) -> caf::result<payload<Answer>> {
    there->renewals.push_back(std::is_same_v<Command, v1::RenewLease>);
    if (there->silent) {
      self->state.forgotten.push_back(self->make_response_promise<payload<Answer>>());
      return self->state.forgotten.back();
    }
    if (there->refuses != ec::none)
      return make_error(there->refuses);
    try {
      payload<Answer> answer{
          there->tables.transact([&](auto& tables) { return work(tables, *command); })};
      if (std::is_same_v<Command, v1::GetCluster>)
        for (const auto& give : std::exchange(self->state.held, {}))
          give();
      if (!there->holds_back || !std::is_same_v<Command, v1::HandOverShards>)
        return answer;
      auto promise = self->make_response_promise<payload<Answer>>();
      self->state.held.emplace_back([promise, answer]() mutable { promise.deliver(answer); });
      return promise;
    } catch (const p::failure& error) {
      return make_error(error.code, error.what());
    }
  };
}

authority_actor::behavior_type fake_authority(self_type self, const database_ptr& there) {
  return {run(self, there, p::join_cluster),      run(self, there, p::renew_lease),
          run(self, there, p::change_node_state), run(self, there, p::report_suspicions),
          run(self, there, p::declare_dead),      run(self, there, p::assign_shards),
          run(self, there, p::move_shards),       run(self, there, p::hand_over_shards),
          run(self, there, p::get_cluster)};
}

/// One node of the cluster.
struct one_node {
  membership_actor actor;
  std::shared_ptr<serving_lease> lease = std::make_shared<serving_lease>();
  std::shared_ptr<membership_probe> probe = std::make_shared<membership_probe>();
  std::vector<ClusterView> views;
  std::vector<std::int64_t> told;
};

struct fixture : test::actor_fixture {
  fixture() { authority = system->spawn(fake_authority, there); }
  ~fixture() {
    for (const auto& one : nodes)
      caf::anon_send_exit(one->actor, caf::exit_reason::user_shutdown);
    run();
    caf::anon_send_exit(authority, caf::exit_reason::user_shutdown);
    run();
  }

  one_node& start(const std::string& name) {
    auto& one = *nodes.emplace_back(std::make_unique<one_node>());
    membership_options options;
    options.host = host;
    options.authority = authority;
    options.member.name = name;
    auto& node = *options.join.mutable_node();
    node.set_name(name);
    node.set_identity("of " + name);
    node.add_roles("session");
    options.join.set_lease_ms(1'200);
    options.join.set_leader_lease_ms(1'200);
    options.join.set_shards(8);
    options.asked_us = boot_us;
    options.joined = v1::ClusterJoined{there->tables.transact(
        [&](auto& tables) { return p::join_cluster(tables, options.join); })};
    options.lease = one.lease;
    options.probe = one.probe;
    options.boot_clock = [this] { return boot_us; };
    options.clock = clock;
    options.on_view = [&one](const ClusterView& view) { one.views.push_back(view); };
    options.on_change = [&one](std::int64_t version) { one.told.push_back(version); };
    one.actor = troupe::spawn(host, membership, std::move(options));
    run();
    return one;
  }
  /// Time passes; nodes hear each other unless they are in `unheard`.
  void pass(std::chrono::milliseconds time) {
    for (auto until = boot_us + std::chrono::microseconds{time}.count(); boot_us < until;) {
      boot_us += 25'000;
      there->tables.clock_us += 25'000;
      for (std::size_t i = 0; i < nodes.size(); ++i)
        for (const auto& row : there->tables.node_rows())
          if (row.name() != unheard && row.name() != std::string(1, static_cast<char>('a' + i))) {
            v1::PeerSeen seen;
            seen.set_name(row.name());
            seen.set_incarnation(row.incarnation());
            caf::anon_send(nodes[i]->actor, PeerSeen{std::move(seen)});
          }
      advance(25ms);
    }
  }
  std::string owner(int shard) const {
    return there->tables.shard_rows()[static_cast<std::size_t>(shard)].owner();
  }

  database_ptr there = std::make_shared<database>();
  authority_actor authority;
  std::vector<std::unique_ptr<one_node>> nodes;
  std::string unheard;
  std::int64_t boot_us = 7'000'000;
};

} // namespace

TEST_CASE_FIXTURE(fixture, "a member serves, and goes on as long as it renews") {
  auto& a = start("a");
  CHECK(a.lease->holds(boot_us, 1));
  REQUIRE(a.views.size() == 1);
  CHECK(a.views[0]->shards_size() == 8);
  pass(5s);
  CHECK(a.lease->holds(boot_us, 1));
  CHECK(a.probe->renewals > 10);
  CHECK(a.probe->leads);
  CHECK(a.views.size() == 1); // renewals are no news
}

TEST_CASE_FIXTURE(fixture, "a renewal goes before what waits at the authority") {
  auto& a = start("a");
  pass(5s);
  there->renewals.clear();
  boot_us += 400'000; // a renewal is due
  for (int i = 0; i < 3; ++i)
    caf::anon_send(a.actor, HandOverShards{v1::HandOverShards{}});
  caf::anon_send(caf::actor_cast<caf::actor>(a.actor), Tick{v1::Tick{}});
  run();
  CHECK(there->renewals == std::vector<bool>{true, false, false, false});
}

TEST_CASE_FIXTURE(fixture,
                  "a node whose database is away stops serving in time, and goes on after") {
  auto& a = start("a");
  SUBCASE("it refuses") { there->refuses = ec::store_unavailable; }
  SUBCASE("it is silent") { there->silent = true; }
  pass(975ms);
  CHECK(a.lease->holds(boot_us, 1));
  pass(50ms);
  CHECK(!a.lease->holds(boot_us));
  pass(3s);
  CHECK(a.probe->lapses == 1);
  CHECK(a.probe->renewals_failed > 0);
  there->refuses = ec::none;
  there->silent = false;
  pass(1'100ms);
  CHECK(a.lease->holds(boot_us, 1));
  CHECK(a.probe->fenced == 0);
}

TEST_CASE_FIXTURE(fixture, "a fenced node says so with an empty view, and joins again") {
  auto& a = start("a");
  auto row = *there->tables.node_row("a");
  row.set_state(v1::NODE_STATE_DEAD);
  there->tables.put_node(row);
  pass(350ms);
  REQUIRE(a.views.size() == 3);
  CHECK(a.views[1]->nodes().empty());
  CHECK(a.views[2]->nodes(0).incarnation() == 2);
  CHECK(a.probe->fenced == 1);
  CHECK(a.probe->joins == 2);
  CHECK(a.lease->holds(boot_us, 2));
  CHECK(!a.lease->holds(boot_us, 1));
}

TEST_CASE_FIXTURE(fixture, "a leader moves shards to who joins, and gives away those of the dead") {
  start("a");
  start("b");
  auto& c = start("c");
  pass(500ms);
  int wanted = 0;
  for (const auto& shard : there->tables.shard_rows())
    wanted += shard.target().empty() ? 0 : 1;
  CHECK(wanted > 0);
  CHECK(!nodes[0]->told.empty());
  CHECK(nodes[1]->told.empty());
  // The region of a hands one to c, which is killed then.
  for (const auto& shard : there->tables.shard_rows())
    if (shard.target() == "c") {
      v1::HandOverShards command;
      auto& one = *command.add_shards();
      one.set_shard(shard.id());
      one.set_epoch(shard.epoch());
      one.set_owner("c");
      one.set_incarnation(1);
      CHECK(ask<ClusterView>(nodes[0]->actor, HandOverShards{std::move(command)}));
      break;
    }
  caf::anon_send_exit(c.actor, caf::exit_reason::kill);
  unheard = "c";
  pass(1'600ms);
  CHECK(there->tables.node_row("c")->state() == v1::NODE_STATE_DEAD);
  for (int shard = 0; shard < 8; ++shard)
    CHECK(owner(shard) != "c");
  CHECK(nodes[0]->probe->declared_dead > 0);
  CHECK(nodes[1]->probe->suspicions > 0);
}

TEST_CASE_FIXTURE(fixture,
                  "others are told of a change once, though the node saw it before its answer") {
  auto& a = start("a");
  start("b");
  pass(500ms);
  auto found = std::find_if(there->tables.shard_rows().begin(), there->tables.shard_rows().end(),
                            [](const v1::Shard& x) { return !x.target().empty(); });
  REQUIRE(found != there->tables.shard_rows().end());
  v1::HandOverShards command;
  auto& one = *command.add_shards();
  one.set_shard(found->id());
  one.set_epoch(found->epoch());
  one.set_owner("b");
  one.set_incarnation(1);
  there->holds_back = true;
  caf::anon_send(a.actor, HandOverShards{std::move(command)});
  pass(400ms); // a renewal sees it
  auto version = there->tables.state(false).version;
  REQUIRE(a.views.back()->version() == version);
  CHECK(std::count(a.told.begin(), a.told.end(), version) == 0);
  caf::anon_send(authority, GetCluster{});
  run();
  CHECK(std::count(a.told.begin(), a.told.end(), version) == 1);
}

TEST_CASE_FIXTURE(fixture, "who leaves says so until it is heard, and has left without shards") {
  auto& a = start("a");
  start("b");
  pass(100ms);
  there->refuses = ec::store_unavailable;
  v1::LeaveCluster command;
  command.set_deadline_us(clock->now_us() + 3'000'000);
  bool left = false;
  system->spawn([&](caf::event_based_actor* self) {
    self->request(a.actor, caf::infinite, LeaveCluster{command}).then([&](const Done&) {
      left = true;
    });
  });
  pass(500ms);
  CHECK(!left);
  there->refuses = ec::none;
  pass(500ms);
  CHECK(there->tables.node_row("a")->state() == v1::NODE_STATE_LEAVING);
  CHECK(!left);
  SUBCASE("when all are handed over") {
    for (const auto& shard : there->tables.shard_rows())
      there->tables.assign(shard.id(), shard.epoch(), "b", 1);
    auto state = there->tables.state(false);
    ++state.version;
    there->tables.put_state(state);
    pass(350ms);
    CHECK(left);
  }
  SUBCASE("when its time is up") {
    pass(1'900ms);
    CHECK(!left);
    pass(200ms);
    CHECK(left);
  }
}
