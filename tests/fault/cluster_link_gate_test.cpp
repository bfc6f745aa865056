// Links that stall though their connections are open, on either database: nobody is evicted, and
// what waits for the other side is answered once it is there again.
#include "tests/support/api_client.hpp"
#include "tests/support/append_load.hpp"
#include "tests/support/audit.hpp"
#include "tests/support/backends.hpp"
#include "tests/support/cluster_nodes.hpp"
#include "tests/support/fault_gate.hpp"
#include "tests/support/mock_process.hpp"

#include <doctest/doctest.h>

#include <algorithm>
#include <cstdio>
#include <random>
#include <thread>

using namespace troupe;
using namespace std::chrono_literals;
using nlohmann::json;
using steady = std::chrono::steady_clock;

namespace {

constexpr double healed_ms_max = 3'000;

/// Three nodes of one machine; the others reach the last one through a gate.
struct gated_cluster {
  explicit gated_cluster(const std::string& backend) :
      nodes(2, mock.yaml() + "log: {access: false}\nsession: {queue_max: 200}\n", backend) {
    nodes.add("listen: \"" + behind + "\", advertise: \"" + gate.address() + "\"");
    REQUIRE(nodes.wait_settled(60s));
    for (int i = 0; i < nodes.count(); ++i) {
      targets.push_back(test::target_of(test::cluster_nodes::name(i), nodes[i]));
      incarnations.push_back(incarnation(i));
      test::api_client http{nodes[i].host(), nodes[i].port(), nodes[i].token()};
      for (int k = 0; k < 4; ++k)
        conversations.push_back(http.post("/api/v1/conversations", json::object()).body["id"]);
    }
  }

  std::int64_t incarnation(int i) {
    return nodes.row(i, test::cluster_nodes::name(i))["incarnation"];
  }

  /// How long since `since` until every conversation answers through every node.
  double answering_ms(steady::time_point since) {
    std::vector<std::thread> probes;
    std::vector<double> took(targets.size() * conversations.size());
    for (std::size_t i = 0; i < took.size(); ++i)
      probes.emplace_back([&, i] {
        took[i] =
            test::time_to(test::append_outcome::acknowledged, history, targets[i % targets.size()],
                          conversations[i / targets.size()], since, 20s)
                .value_or(1e9);
      });
    for (auto& probe : probes)
      probe.join();
    return *std::max_element(took.begin(), took.end());
  }

  test::temp_dir dir;
  test::mock_process mock{dir, {"--latency-ms", "2", "--tokens", "3", "--tokens-per-s", "1000"}};
  std::string behind = "127.0.0.1:" + std::to_string(test::free_port());
  test::fault_gate gate{behind};
  test::cluster_nodes nodes;
  std::vector<test::append_target> targets;
  std::vector<std::int64_t> incarnations;
  std::vector<std::string> conversations;
  test::append_history history;
};

void check_stalls(const std::string& backend) {
  auto seed = test::seed_wanted();
  auto stalls = test::runs_wanted(2);
  MESSAGE(backend << ", stalls " << stalls << ", TROUPE_SEED=" << seed);
  std::mt19937 random{seed};
  gated_cluster c{backend};
  test::append_load_options options;
  options.seed = seed;
  test::append_load load{c.history, c.targets, c.conversations, options};
  double healed_ms = 0;
  for (int i = 0; i < stalls; ++i) {
    std::this_thread::sleep_for(std::chrono::milliseconds{200 + random() % 600});
    test::gate_fault stall;
    stall.stall = true;
    c.gate.set(test::direction::inward, stall);
    if (i % 2 == 0)
      c.gate.set(test::direction::outward, stall);
    std::this_thread::sleep_for(std::chrono::milliseconds{1'500 + random() % 1'500});
    auto since = steady::now();
    c.gate.heal();
    healed_ms = std::max(healed_ms, c.answering_ms(since));
    for (int node = 0; node < c.nodes.count(); ++node)
      CHECK(c.incarnation(node) == c.incarnations[static_cast<std::size_t>(node)]);
  }
  CHECK(healed_ms <= healed_ms_max);
  load.finish();
  CHECK(c.nodes.wait_settled(60s));
  for (int node = 0; node < c.nodes.count(); ++node)
    CHECK(c.nodes.stop(node) == 0);
  auto stored = test::stored_appends(*c.nodes.place().connect(), c.conversations);
  auto wrong = test::check_history(c.history.ops(), stored);
  test::tell(wrong);
  CHECK(wrong.empty());
  std::printf("figure link_stalls_%s %d count\n", backend.c_str(), stalls);
  std::printf("figure link_stall_messages_%s %zu count\n", backend.c_str(), stored.size());
  std::printf("figure link_stall_healed_max_ms_%s %.0f ms\n", backend.c_str(), healed_ms);
  std::fflush(stdout);
}

} // namespace

TEST_CASE("a node whose links stall keeps its place, and what waits for it is answered after") {
  test::on_each_backend(check_stalls);
}
