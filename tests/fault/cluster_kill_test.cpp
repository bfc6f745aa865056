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
  explicit campaign(unsigned seed) : cluster_load(seed, nodes_count), random(seed) {}

  /// How long after `since` the conversation takes no message at node `asked`.
  double unanswered_ms(int asked, const std::string& conversation, steady::time_point since) {
    test::api_client http{nodes[asked].host(), nodes[asked].port(), nodes[asked].token()};
    auto text = "probe-" + std::to_string(kills) + "-" + conversation;
    test::api_answer answer;
    bool answered = test::wait_until(30s, [&] {
      answer = http.post("/api/v1/conversations/" + conversation + "/messages?wait=false",
                         {{"content", text}}, {{"Idempotency-Key", text}});
      return answer.status == 202;
    });
    auto took = std::chrono::duration<double, std::milli>(steady::now() - since).count();
    if (!answered)
      log.odd(text + " had no answer but " + std::to_string(answer.status) + " "
              + answer.body.dump());
    return answered ? took : 1e9;
  }

  void kill_once() {
    std::this_thread::sleep_for(std::chrono::microseconds{random() % 900'000});
    auto victim = static_cast<int>(random() % nodes_count);
    auto asked = (victim + 1) % nodes_count;
    lead_nowhere(victim);
    auto killed = steady::now();
    nodes.kill(victim);
    ++kills;
    lead(victim, asked);
    std::vector<std::thread> probes;
    std::vector<double> took(conversations().size());
    for (std::size_t i = 0; i < took.size(); ++i)
      probes.emplace_back([&, i] { took[i] = unanswered_ms(asked, conversations()[i], killed); });
    for (auto& probe : probes)
      probe.join();
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

} // namespace

TEST_CASE("a cluster whose nodes are killed under load keeps what it acknowledged, exactly once") {
  auto seed = test::seed_wanted();
  auto kills = test::runs_wanted(5);
  MESSAGE("kills " << kills << ", TROUPE_SEED=" << seed);
  campaign c{seed};
  c.begin();
  for (int i = 0; i < kills; ++i)
    c.kill_once();
  c.finish();
  CHECK(c.failover_p99_ms() <= 2'000);
  CHECK(c.log.messages().size() > c.kills);
  std::printf("figure cluster_kills %zu count\n", c.kills);
  std::printf("figure cluster_acknowledged_messages %zu count\n", c.log.messages().size());
  std::printf("figure cluster_acknowledged_lost %zu count\n", c.log.lost().size());
  std::printf("figure cluster_doubled %zu count\n", c.log.doubled().size());
  std::printf("figure cluster_failover_p99_ms %.0f ms\n", c.failover_p99_ms());
  std::fflush(stdout);
}
