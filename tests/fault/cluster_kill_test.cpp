// kill -9 of nodes of a cluster under load: nothing that was acknowledged is lost, nothing is there
// or said twice, and the conversations of a dead node are answered elsewhere soon.
#include "tests/support/cluster_load.hpp"

#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <random>
#include <thread>

using namespace troupe;
using namespace std::chrono_literals;
using steady = std::chrono::steady_clock;

namespace {

constexpr int nodes_count = 3;

struct campaign : test::cluster_load {
  campaign(unsigned seed, const std::string& backend) :
      cluster_load(seed, backend, nodes_count), random(seed) {}

  void kill_once() {
    std::this_thread::sleep_for(std::chrono::microseconds{random() % 900'000});
    auto victim = static_cast<int>(random() % nodes_count);
    auto asked = (victim + 1) % nodes_count;
    lead_nowhere(victim);
    auto killed = steady::now();
    nodes.kill(victim);
    ++kills;
    lead(victim, asked);
    auto took = unanswered_ms(asked, killed);
    failover_ms.insert(failover_ms.end(), took.begin(), took.end());
    check();
    nodes.start(victim);
    lead(victim, victim);
    if (!nodes.wait_settled(30s))
      log.odd("the cluster did not settle after kill " + std::to_string(kills) + ": "
              + nodes.ops(asked, "/ops/v1/cluster").dump());
  }

  double failover_p99_ms() const {
    auto sorted = failover_ms;
    std::sort(sorted.begin(), sorted.end());
    auto rank = std::ceil(0.99 * static_cast<double>(sorted.size()));
    return sorted[static_cast<std::size_t>(std::max(rank, 1.0)) - 1];
  }

  std::mt19937 random;
  std::vector<double> failover_ms;
  std::size_t kills = 0;
};

void check_kills(const std::string& backend) {
  auto seed = test::seed_wanted();
  auto kills = test::runs_wanted(5);
  MESSAGE(backend << ", kills " << kills << ", TROUPE_SEED=" << seed);
  campaign c{seed, backend};
  c.begin();
  for (int i = 0; i < kills; ++i)
    c.kill_once();
  c.finish();
  CHECK(c.failover_p99_ms() <= 2'000);
  CHECK(c.log.messages().size() > c.kills);
  const char* of = backend.c_str();
  std::printf("figure cluster_kills_%s %zu count\n", of, c.kills);
  std::printf("figure cluster_acknowledged_per_s_%s %.0f 1/s\n", of, c.messages_per_s());
  std::printf("figure cluster_acknowledged_messages_%s %zu count\n", of, c.log.messages().size());
  std::printf("figure cluster_acknowledged_lost_%s %zu count\n", of, c.log.lost().size());
  std::printf("figure cluster_doubled_%s %zu count\n", of, c.log.doubled().size());
  std::printf("figure cluster_failover_p99_ms_%s %.0f ms\n", of, c.failover_p99_ms());
  std::fflush(stdout);
}

} // namespace

TEST_CASE("a cluster whose nodes are killed under load keeps what it acknowledged, exactly once") {
  test::on_each_backend(check_kills);
}
