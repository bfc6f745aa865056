// Networks between the nodes of a cluster that fail: whoever is cut off from the database refuses
// soon, nobody else does, no two nodes write to a conversation at once, and what is whole again
// answers soon.
#include "tests/support/audit.hpp"
#include "tests/support/partition_campaign.hpp"

#include <doctest/doctest.h>

#include <algorithm>
#include <thread>

using namespace troupe;
using namespace std::chrono_literals;
using test::cut_between;
using test::packet_loss;
using test::partition_campaign;
using steady = std::chrono::steady_clock;

namespace {

/// Of a node that is heard all the while: a lease and a suspicion, each noticed by two nodes at
/// their next look, and told by both. Nobody was promised this one.
constexpr double heard_failover_ms_max = 4'000;

/// Nobody is evicted whose lease is renewed, whoever hears whom: each conversation is answered by
/// its owner all the while, and what has to cross the cut waits for the heal.
void cut_links(partition_campaign& c, const std::vector<packet_loss>& faults) {
  c.wait_some(200, 900);
  c.hosts.lose(faults);
  auto cut = steady::now();
  c.wait_some(1'500, 3'000); // longer than it takes to suspect, and than a lease
  for (int i = 0; i < c.count(); ++i)
    c.take(c.owner_ms, c.answering_ms({i}, c.owned_by(i), steady::now()), "an owner answers");
  auto healed = steady::now();
  c.heal_and_measure();
  c.waiting_ms = std::max(c.waiting_ms, c.waited_ms(healed));
  CHECK(c.evictions() == 0);
  CHECK(c.refused_between(cut, healed) == 0);
}

void conclude_links(partition_campaign& c, const std::string& kind) {
  c.conclude(kind);
  CHECK(c.owner_ms <= 1'000);
  CHECK(c.waiting_ms <= test::healed_ms_max);
  c.print("owner_answers_max_ms", c.owner_ms, "ms");
  c.print("waited_after_heal_max_ms", c.waiting_ms, "ms");
}

/// One node loses the database; the others take its place, and it refuses what it owned.
void cut_off(partition_campaign& c, int node, const std::vector<packet_loss>& faults) {
  auto owned = c.owned_by(node);
  auto majority = c.but({node});
  c.wait_some(200, 900);
  auto since = steady::now();
  c.hosts.lose(faults);
  std::optional<double> refused;
  std::thread probe{[&] { refused = c.refusing_ms({node}, owned, since); }};
  auto answered = c.answering_ms(majority, c.conversations(), since);
  probe.join();
  c.take(c.refused_ms, refused, "the node refuses");
  c.take(c.failover_ms, answered, "the others answer for every conversation");
  c.wait_some(0, 4'000);
  c.heal_and_measure();
}

void conclude_cut_off(partition_campaign& c, const std::string& kind, double failover_ms_max) {
  c.conclude(kind);
  CHECK(c.refused_ms <= test::refused_ms_max);
  CHECK(c.failover_ms <= failover_ms_max);
  c.print("refused_max_ms", c.refused_ms, "ms");
  c.print("failover_max_ms", c.failover_ms, "ms");
}

} // namespace

TEST_CASE("a minority that is cut off with its way to the database refuses soon, and the others "
          "answer for it"
          * NEED_HOSTS) {
  partition_campaign c{3, 2};
  for (int i = 0; i < c.runs; ++i) {
    auto node = c.below(c.count());
    auto others = c.but({node});
    others.push_back(c.database());
    cut_off(c, node, cut_between({node}, others));
  }
  conclude_cut_off(c, "clean", test::failover_ms_max);
}

TEST_CASE("a node that loses one direction of its way to the database refuses soon, and the others "
          "answer for it"
          * NEED_HOSTS) {
  partition_campaign c{3, 2};
  for (int i = 0; i < c.runs; ++i) {
    auto node = c.below(c.count());
    cut_off(c, node,
            {i % 2 == 0 ? packet_loss{node, c.database()} : packet_loss{c.database(), node}});
  }
  // Its peers hear it: they miss it once its lease has been over for as long as a suspicion takes.
  conclude_cut_off(c, "database_one_way", heard_failover_ms_max);
}

TEST_CASE("a node that loses its links alone keeps its conversations, and what crosses the cut "
          "waits"
          * NEED_HOSTS) {
  partition_campaign c{3, 1};
  for (int i = 0; i < c.runs; ++i) {
    auto node = c.below(c.count());
    cut_links(c, cut_between({node}, c.but({node})));
  }
  conclude_links(c, "links");
}

TEST_CASE("a link that loses one direction is no link, and evicts nobody" * NEED_HOSTS) {
  partition_campaign c{3, 1};
  for (int i = 0; i < c.runs; ++i) {
    auto from = c.below(c.count());
    cut_links(c, {packet_loss{from, (from + 1 + c.below(c.count() - 1)) % c.count()}});
  }
  conclude_links(c, "one_way");
}

TEST_CASE("two sides of a cluster that only one node sees both of keep their conversations"
          * NEED_HOSTS) {
  partition_campaign c{5, 1};
  for (int i = 0; i < c.runs; ++i) {
    auto bridge = c.below(c.count());
    auto sides = c.but({bridge});
    std::shuffle(sides.begin(), sides.end(), c.random);
    cut_links(c, cut_between({sides[0], sides[1]}, {sides[2], sides[3]}));
  }
  conclude_links(c, "bridge");
}
