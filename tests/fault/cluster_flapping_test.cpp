// Networks that come and go, or lose a part of what is sent: a cluster may refuse and wait
// meanwhile, but never answers wrong, and is whole soon after.
#include "tests/support/partition_campaign.hpp"

#include <doctest/doctest.h>

#include <thread>

using namespace troupe;
using namespace std::chrono_literals;
using test::cut_between;
using test::packet_loss;
using test::partition_campaign;
using steady = std::chrono::steady_clock;

namespace {

constexpr double share_lost = 0.3;

/// Cut for about as long as a suspicion or a lease takes, and whole for as long or shorter; in the
/// end it is cut.
void flap(partition_campaign& c, const std::vector<packet_loss>& faults) {
  auto until = steady::now() + 6s;
  while (true) {
    c.hosts.lose(faults);
    c.wait_some(400, 1'500);
    if (steady::now() > until)
      return;
    c.hosts.heal();
    c.wait_some(50, 900);
  }
}

} // namespace

TEST_CASE("a node whose network comes and goes is never one of two owners, and answers soon after "
          "it stays"
          * NEED_HOSTS) {
  partition_campaign c{3, 2};
  for (int i = 0; i < c.runs; ++i) {
    auto node = c.below(c.count());
    auto others = c.but({node});
    if (i % 2 == 0)
      others.push_back(c.database());
    flap(c, cut_between({node}, others));
    c.heal_and_measure();
  }
  c.conclude("flapping");
}

TEST_CASE("a cluster that loses 30 % of its packets answers nothing wrong, and everything soon "
          "after"
          * NEED_HOSTS) {
  partition_campaign c{3, 1};
  for (int i = 0; i < c.runs; ++i) {
    std::vector<int> all{c.database()};
    std::vector<packet_loss> faults;
    for (int node = 0; node < c.count(); ++node) {
      for (auto fault : cut_between({node}, all))
        faults.push_back({fault.from, fault.to, share_lost});
      all.push_back(node);
    }
    c.hosts.lose(faults);
    std::this_thread::sleep_for(5s);
    c.heal_and_measure();
  }
  c.conclude("loss");
}
