// A peer that takes in nothing and refuses nothing: who has business with others is not delayed by
// it, and what reaches it late changes nothing.
#include "tests/support/partition_campaign.hpp"

#include <doctest/doctest.h>

#include <algorithm>
#include <atomic>
#include <thread>
#include <vector>

using namespace troupe;
using namespace std::chrono_literals;
using test::cluster_nodes;
using test::cut_between;
using test::partition_campaign;
using test::wait_until;
using steady = std::chrono::steady_clock;

namespace {

double ms_since(steady::time_point begin) {
  return std::chrono::duration<double, std::milli>(steady::now() - begin).count();
}

/// What a join takes, and what requests between the others take meanwhile.
struct join_figures {
  double ready_ms = 0;
  double placed_ms = 0; // until every node has its share of the shards
  double request_p99_ms = 0;
};

bool is_placed(partition_campaign& c) {
  auto shards = c.nodes.shards(0);
  auto cluster = c.nodes.ops(0, "/ops/v1/cluster");
  if (!cluster.is_object() || shards.size() != static_cast<std::size_t>(c.count()))
    return false;
  for (const auto& node : cluster["nodes"])
    if (node["state"] != "up" || node["shards_incoming"] != 0 || node["shards_outgoing"] != 0
        || node["shards"].get<int>() < 1'024 / c.count() * 7 / 10)
      return false;
  return true;
}

/// Node `joins` comes back. Requests go from the first node to what `asked` owns.
join_figures join(partition_campaign& c, int joins, int asked) {
  join_figures out;
  auto owned = c.owned_by(asked);
  std::atomic<bool> done{false};
  std::vector<double> took;
  std::thread client{[&] {
    while (!done && !owned.empty()) {
      auto op = c.history.append(c.at(0), owned[took.size() % owned.size()], 20s);
      took.push_back(std::chrono::duration<double, std::milli>(op.completed - op.invoked).count());
    }
  }};
  auto begin = steady::now();
  c.nodes.start(joins);
  out.ready_ms = ms_since(begin);
  CHECK(wait_until(60s, [&] { return is_placed(c); }));
  out.placed_ms = ms_since(begin);
  done = true;
  client.join();
  REQUIRE(!took.empty());
  std::sort(took.begin(), took.end());
  out.request_p99_ms = took[took.size() * 99 / 100];
  return out;
}

void keep_worst(join_figures& worst, const join_figures& one) {
  worst.ready_ms = std::max(worst.ready_ms, one.ready_ms);
  worst.placed_ms = std::max(worst.placed_ms, one.placed_ms);
  worst.request_p99_ms = std::max(worst.request_p99_ms, one.request_p99_ms);
}

} // namespace

TEST_CASE("a member that takes in nothing delays neither who joins, nor shards and requests of the "
          "others"
          * NEED_HOSTS) {
  // The one that joins dials the black hole, whose name comes later.
  constexpr int joins = 1;
  constexpr int hole = 2;
  constexpr int asked = 3;
  partition_campaign c{4, 1};
  join_figures whole;
  join_figures holed;
  for (int i = 0; i < c.runs; ++i) {
    for (bool with_hole : {false, true}) {
      CHECK(c.nodes.stop(joins) == 0);
      CHECK(c.nodes.wait_settled(30s));
      if (with_hole)
        c.hosts.lose(cut_between({hole}, {0, joins, asked}));
      keep_worst(with_hole ? holed : whole, join(c, joins, asked));
      c.heal_and_measure();
    }
  }
  c.conclude("join");
  CHECK(holed.ready_ms <= 2 * whole.ready_ms + 300);
  CHECK(holed.placed_ms <= 2 * whole.placed_ms + 300);
  CHECK(holed.request_p99_ms <= 2 * whole.request_p99_ms + 100);
  c.print("ready_whole_max_ms", whole.ready_ms, "ms");
  c.print("ready_holed_max_ms", holed.ready_ms, "ms");
  c.print("placed_whole_max_ms", whole.placed_ms, "ms");
  c.print("placed_holed_max_ms", holed.placed_ms, "ms");
  c.print("request_p99_whole_ms", whole.request_p99_ms, "ms");
  c.print("request_p99_holed_ms", holed.request_p99_ms, "ms");
}

TEST_CASE("what reaches a node after its shards moved changes nothing" * NEED_HOSTS) {
  partition_campaign c{3, 2};
  double in_flight = 0;
  for (int i = 0; i < c.runs; ++i) {
    auto node = c.below(c.count());
    auto others = c.but({node});
    auto name = cluster_nodes::name(node);
    c.wait_some(200, 900);
    // What the others send it meanwhile waits in its sockets, or with the network's senders.
    bool stands_still = i % 2 == 0;
    if (stands_still)
      c.nodes.pause(node);
    else
      c.hosts.lose(cut_between({node}, {others[0], others[1], c.database()}));
    auto begin = steady::now();
    c.take(c.failover_ms, c.answering_ms(others, c.conversations(), begin),
           "the others answer for every conversation");
    auto row = c.nodes.row(others[0], name);
    INFO(row.dump());
    CHECK(row["shards"] == 0);
    in_flight += static_cast<double>(c.in_flight_at(begin));
    if (stands_still)
      c.nodes.resume(node);
    c.heal_and_measure();
  }
  c.conclude("late");
  CHECK(in_flight > 0);
  CHECK(c.failover_ms <= test::failover_ms_max);
  c.print("in_flight", in_flight, "count");
  c.print("failover_max_ms", c.failover_ms, "ms");
}
