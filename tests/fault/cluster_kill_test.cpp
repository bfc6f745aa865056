// kill -9 of nodes of a cluster under load: nothing that was acknowledged is lost, nothing is there
// or said twice, and the conversations of a dead node are answered elsewhere soon.
#include "tests/support/audit.hpp"
#include "tests/support/chat_load.hpp"
#include "tests/support/cluster_nodes.hpp"
#include "tests/support/mock_process.hpp"

#include <doctest/doctest.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdio>
#include <memory>
#include <random>
#include <thread>

using namespace troupe;
using namespace std::chrono_literals;
using steady = std::chrono::steady_clock;

namespace {

constexpr int nodes_count = 3;

struct cluster_campaign {
  explicit cluster_campaign(unsigned seed) : random(seed) {
    for (int i = 0; i < nodes_count; ++i)
      places[static_cast<std::size_t>(i)].set(nodes[i]);
  }

  /// How long the conversation cannot be read after `since`, at node `asked`.
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

  void kill_once(const std::vector<std::string>& conversations) {
    std::this_thread::sleep_for(std::chrono::microseconds{random() % 900'000});
    auto victim = static_cast<int>(random() % nodes_count);
    auto asked = (victim + 1) % nodes_count;
    places[static_cast<std::size_t>(victim)].clear();
    auto acknowledged = log.messages();
    auto killed = steady::now();
    nodes.kill(victim);
    ++kills;
    // Its clients go to another node.
    places[static_cast<std::size_t>(victim)].set(nodes[asked]);
    std::vector<std::thread> probes;
    std::vector<double> took(conversations.size());
    for (std::size_t i = 0; i < conversations.size(); ++i)
      probes.emplace_back([&, i] { took[i] = unanswered_ms(asked, conversations[i], killed); });
    for (auto& probe : probes)
      probe.join();
    failover_ms.insert(failover_ms.end(), took.begin(), took.end());
    test::check_messages(nodes.database_folder(), conversations, acknowledged, false, log);
    nodes.start(victim);
    places[static_cast<std::size_t>(victim)].set(nodes[victim]);
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

  test::temp_dir dir;
  test::mock_process mock{dir, {"--latency-ms", "10", "--tokens", "40", "--tokens-per-s", "400"}};
  test::cluster_nodes nodes{nodes_count,
                            mock.yaml() + "log: {access: false}\nsession: {queue_max: 32}\n"};
  std::mt19937 random;
  std::array<test::node_place, nodes_count> places;
  test::load_log log;
  std::vector<double> failover_ms;
  std::size_t kills = 0;
};

void print_figures(const cluster_campaign& c) {
  std::printf("figure cluster_kills %zu count\n", c.kills);
  std::printf("figure cluster_acknowledged_messages %zu count\n", c.log.messages().size());
  std::printf("figure cluster_acknowledged_lost %zu count\n", c.log.lost().size());
  std::printf("figure cluster_doubled %zu count\n", c.log.doubled().size());
  std::printf("figure failover_p99_ms %.0f ms\n", c.failover_p99_ms());
  std::fflush(stdout);
}

} // namespace

TEST_CASE("a cluster whose nodes are killed under load keeps what it acknowledged, exactly once") {
  auto seed = test::seed_wanted();
  auto kills = test::runs_wanted(5);
  MESSAGE("kills " << kills << ", TROUPE_SEED=" << seed);
  cluster_campaign c{seed};
  test::chat_load_options options;
  options.seed = seed;
  options.model = "mock";
  options.conversations = 4;
  {
    std::vector<std::unique_ptr<test::chat_load>> loads;
    std::vector<std::string> conversations;
    for (auto& place : c.places) {
      options.seed += 17;
      loads.push_back(std::make_unique<test::chat_load>(place, c.log, options));
      const auto& more = loads.back()->conversations();
      conversations.insert(conversations.end(), more.begin(), more.end());
    }
    for (int i = 0; i < kills; ++i)
      c.kill_once(conversations);
    for (auto& load : loads)
      load->finish();
    for (int i = 0; i < nodes_count; ++i)
      CHECK(c.nodes.stop(i) == 0);
    test::check_messages(c.nodes.database_folder(), conversations, c.log.messages(), true, c.log);
  }
  test::tell(c.log.lost());
  test::tell(c.log.doubled());
  test::tell(c.log.odd());
  CHECK(c.log.lost().empty());
  CHECK(c.log.doubled().empty());
  CHECK(c.log.odd().empty());
  CHECK(c.failover_p99_ms() <= 2'000);
  CHECK(c.log.messages().size() > c.kills);
  print_figures(c);
}
