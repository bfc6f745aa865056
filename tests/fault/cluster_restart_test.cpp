// Every node of a cluster is replaced under load, one after the other, and no client notices.
#include "tests/support/cluster_load.hpp"

#include <doctest/doctest.h>

#include <cstdio>
#include <thread>

using namespace troupe;
using namespace std::chrono_literals;

namespace {

void check_restarts(const std::string& backend) {
  constexpr int nodes_count = 3;
  auto seed = test::seed_wanted();
  auto rounds = test::runs_wanted(1);
  MESSAGE(backend << ", rounds " << rounds << ", TROUPE_SEED=" << seed);
  test::cluster_load c{seed, backend, nodes_count};
  c.begin();
  for (int round = 0; round < rounds; ++round)
    for (int i = 0; i < nodes_count; ++i) {
      // As a load balancer does: first no new requests, then the signal.
      c.lead(i, (i + 1) % nodes_count);
      std::this_thread::sleep_for(500ms);
      CHECK(c.nodes.stop(i) == 0);
      c.check();
      c.nodes.start(i);
      c.lead(i, i);
      CHECK(c.nodes.wait_settled(30s));
    }
  auto retried = c.log.retried();
  test::tell(retried);
  CHECK(retried.empty());
  c.finish();
  std::printf("figure rolling_restarts_%s %d count\n", backend.c_str(), rounds * nodes_count);
  std::printf("figure rolling_restart_failed_requests_%s %zu count\n", backend.c_str(),
              retried.size());
  std::fflush(stdout);
}

} // namespace

TEST_CASE("a rolling restart under load fails no request") {
  test::on_each_backend(check_restarts);
}
