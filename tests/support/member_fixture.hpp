// A member of a cluster of three, whose tables and peers the test plays.
#pragma once

#include "cluster/membership/member.hpp"

#include <fmt/format.h>

#include <string>

namespace troupe::test {

inline constexpr std::int64_t ms = 1'000;
inline constexpr std::int64_t lease = 1'200 * ms;

/// A member named a, beside b and c; the tables' clock is an hour ahead of its own.
struct member_fixture {
  member_fixture() {
    view.set_cluster_id("x");
    view.set_version(10);
    view.set_leader("a");
    for (const auto* name : {"a", "b", "c"}) {
      auto& node = *view.add_nodes();
      node.set_name(name);
      node.set_incarnation(1);
      node.set_state(v1::NODE_STATE_UP);
      node.add_roles("session");
    }
    auto nodes = placement_nodes(view); // each shard at the place it belongs to
    for (int i = 0; i < 8; ++i) {
      auto& shard = *view.add_shards();
      shard.set_id(i);
      const auto* home = place(i, nodes);
      shard.set_owner(home->name);
      shard.set_incarnation(home->incarnation);
      shard.set_epoch(1);
    }
    join();
  }

  /// The tables as they are now: everybody has just renewed, but for those in `silent`.
  v1::ClusterView& read() {
    view.set_now_us(now + 3'600'000 * ms);
    if (view.leader() != silent)
      view.set_leader_until_us(view.now_us() + lease);
    for (auto& node : *view.mutable_nodes())
      if (node.name() != silent)
        node.set_lease_until_us(view.now_us() + lease);
    return view;
  }
  void join() {
    v1::ClusterJoined answer;
    *answer.mutable_view() = read();
    *answer.mutable_node() = view.nodes(0);
    self.joined(answer, now);
  }
  v1::Node& node(int index) { return *view.mutable_nodes(index); }

  member_wishes tick() { return self.tick(now); }
  /// Lets time pass in ticks; renewals are answered at once and peers are heard, but for `silent`.
  std::string pass(std::int64_t ms_long) {
    std::string seen;
    auto until = now + ms_long * ms;
    while (now < until) {
      now += 20 * ms;
      for (const auto& row : view.nodes())
        if (row.name() != silent && row.name() != "a")
          self.heard(row.name(), row.incarnation(), now);
      auto wishes = tick();
      if (wishes.renew)
        self.renewed(read(), now);
      if (wishes.report) {
        seen += "report:";
        view.clear_suspicions();
        for (const auto& x : wishes.report->suspicions()) {
          seen += x.node();
          *view.add_suspicions() = x;
        }
        seen += ' ';
      }
      for (const auto& x : wishes.declare)
        seen += "declare:" + x.name() + ' ';
      if (wishes.assign)
        seen += fmt::format("assign:{} ", wishes.assign->assignments_size());
      if (wishes.move)
        seen += fmt::format("move:{} ", wishes.move->moves_size());
    }
    return seen;
  }
  void suspect(const std::string& by, const std::string& whom) {
    auto& one = *view.add_suspicions();
    one.set_by(by);
    one.set_node(whom);
    one.set_incarnation(1);
  }

  std::int64_t now = 5'000'000 * ms;
  v1::ClusterView view;
  std::string silent; // neither renews nor is heard
  member self{{.name = "a"}};
};

} // namespace troupe::test
