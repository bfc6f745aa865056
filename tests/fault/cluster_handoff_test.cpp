// What happens in the middle of a handoff: shards are on their way to a node that joins, few at a
// time, when another one joins, or one of them leaves or dies.
#include "tests/support/cluster_load.hpp"

#include <doctest/doctest.h>

#include <algorithm>
#include <cstdio>
#include <functional>

using namespace troupe;
using namespace std::chrono_literals;
using steady = std::chrono::steady_clock;

namespace {

/// Nodes a and b under load; c has joined, and has some of its shards.
struct handoff : test::cluster_load {
  handoff(unsigned seed, const std::string& backend) :
      cluster_load(seed, backend, 2, ", moves_max: 16") {
    begin();
    c = nodes.add();
    CHECK(test::wait_until(10s, [&] { return amid(); }));
  }

  /// True when c has some of its shards, and not yet all.
  bool amid() {
    auto row = nodes.row(a, "c");
    return row.is_object() && row["shards"] > 0 && row["shards"] < 250;
  }

  void kill(int victim, int asked) {
    CHECK(amid());
    auto killed = steady::now();
    if (victim != c)
      lead_nowhere(victim);
    nodes.kill(victim);
    if (victim != c)
      lead(victim, asked);
    for (auto ms : unanswered_ms(asked, killed))
      unanswered_ms_max = std::max(unanswered_ms_max, ms);
    check();
  }

  /// As a load balancer does: first no new requests, then the signal.
  void drain(int leaving, int asked) {
    if (leaving != c)
      lead(leaving, asked);
    CHECK(amid());
    CHECK(nodes.stop(leaving) == 0);
    check();
  }

  static constexpr int a = 0; // leads: it was first
  static constexpr int b = 1;
  int c = 0;
  double unanswered_ms_max = 0;
};

void in_the_middle(const char* name, const std::function<void(handoff&)>& happens, bool orderly) {
  test::on_each_backend([&](const std::string& backend) {
    auto seed = test::seed_wanted();
    MESSAGE(backend << ", TROUPE_SEED=" << seed);
    handoff h{seed, backend};
    happens(h);
    bool settled = h.nodes.wait_settled(30s);
    CHECK(settled);
    auto retried = h.log.retried();
    if (!settled || (orderly && !retried.empty()))
      h.nodes.tell_logs();
    if (orderly) {
      test::tell(retried);
      CHECK(retried.empty());
    }
    h.finish();
    CHECK(h.unanswered_ms_max <= 2'000);
    if (orderly)
      std::printf("figure %s_failed_requests_%s %zu count\n", name, backend.c_str(),
                  retried.size());
    else
      std::printf("figure %s_unanswered_max_ms_%s %.0f ms\n", name, backend.c_str(),
                  h.unanswered_ms_max);
    std::fflush(stdout);
  });
}

} // namespace

TEST_CASE("a node that joins in the middle of a handoff gets its share, and no request fails") {
  in_the_middle(
      "handoff_join",
      [](handoff& h) {
        h.nodes.add();
        CHECK(h.amid());
      },
      true);
}

TEST_CASE("a node that is drained in the middle of a handoff gives the rest too, and no request "
          "fails") {
  in_the_middle(
      "handoff_drain_source", [](handoff& h) { h.drain(h.b, h.a); }, true);
}

TEST_CASE("a node that is drained while its first shards arrive gives them back, and no request "
          "fails") {
  in_the_middle(
      "handoff_drain_target", [](handoff& h) { h.drain(h.c, h.a); }, true);
}

TEST_CASE("a node that dies in the middle of a handoff is answered for") {
  in_the_middle(
      "handoff_kill_source", [](handoff& h) { h.kill(h.b, h.a); }, false);
}

TEST_CASE("a node that dies while its first shards arrive is answered for") {
  in_the_middle(
      "handoff_kill_target", [](handoff& h) { h.kill(h.c, h.a); }, false);
}

TEST_CASE("the leader may die in the middle of a handoff") {
  in_the_middle(
      "handoff_kill_leader", [](handoff& h) { h.kill(h.a, h.b); }, false);
}
