// Nodes that stand still for a while and go on: a short pause costs nothing, after a long one the
// node knows that others took its place and writes nothing under its old claim.
#include "tests/support/cluster_load.hpp"

#include <doctest/doctest.h>

#include <algorithm>
#include <cstdio>
#include <random>
#include <thread>

using namespace troupe;
using namespace std::chrono_literals;
using steady = std::chrono::steady_clock;

namespace {

constexpr int nodes_count = 3;

std::int64_t incarnation_of(test::cluster_nodes& nodes, int asked, int of) {
  auto row = nodes.row(asked, test::cluster_nodes::name(of));
  return row.is_object() ? row["incarnation"].get<std::int64_t>() : 0;
}

void check_short_pauses(const std::string& backend) {
  auto seed = test::seed_wanted();
  auto pauses = test::runs_wanted(8);
  MESSAGE(backend << ", pauses " << pauses << ", TROUPE_SEED=" << seed);
  std::mt19937 random{seed};
  test::cluster_load c{seed, backend, nodes_count};
  c.begin();
  int evictions = 0;
  for (int i = 0; i < pauses; ++i) {
    auto which = static_cast<int>(random() % nodes_count);
    auto asked = (which + 1) % nodes_count;
    auto before = incarnation_of(c.nodes, asked, which);
    c.nodes.pause(which);
    std::this_thread::sleep_for(300ms);
    c.nodes.resume(which);
    std::this_thread::sleep_for(std::chrono::milliseconds{200 + random() % 200});
    auto row = c.nodes.row(asked, test::cluster_nodes::name(which));
    evictions += row["incarnation"] != before || row["state"] != "up" ? 1 : 0;
  }
  CHECK(evictions == 0);
  CHECK(c.nodes.wait_settled());
  c.finish();
  std::printf("figure short_pauses_%s %d count\n", backend.c_str(), pauses);
  std::printf("figure short_pause_evictions_%s %d count\n", backend.c_str(), evictions);
  std::fflush(stdout);
}

void check_long_pauses(const std::string& backend) {
  auto seed = test::seed_wanted();
  auto pauses = test::runs_wanted(2);
  MESSAGE(backend << ", pauses " << pauses << ", TROUPE_SEED=" << seed);
  std::mt19937 random{seed};
  test::cluster_load c{seed, backend, nodes_count};
  c.begin();
  double fenced_ms_max = 0;
  int locked_out = 0;
  for (int i = 0; i < pauses; ++i) {
    auto which = static_cast<int>(random() % nodes_count);
    auto asked = (which + 1) % nodes_count;
    auto name = test::cluster_nodes::name(which);
    auto before = incarnation_of(c.nodes, asked, which);
    c.nodes.pause(which);
    c.lead(which, asked);
    std::this_thread::sleep_for(3s);
    // Whoever stands still amid a write holds SQLite's lock: then nobody writes, and nobody
    // answers.
    bool locked = !c.nodes.ops(asked, "/ops/v1/cluster").value("serves", true);
    auto row = c.nodes.row(asked, name);
    auto woken = steady::now();
    c.nodes.resume(which);
    if (locked) {
      ++locked_out;
    } else {
      CHECK(row["state"] == "dead");
      CHECK(row["shards"] == 0);
      CHECK(test::wait_until(5s, [&] { return incarnation_of(c.nodes, which, which) > before; }));
      auto took = std::chrono::duration<double, std::milli>(steady::now() - woken).count();
      fenced_ms_max = std::max(fenced_ms_max, took);
    }
    c.check();
    CHECK(c.nodes.wait_settled());
    c.lead(which, which);
  }
  CHECK(fenced_ms_max <= 1'000);
  c.finish();
  std::printf("figure long_pauses_%s %d count\n", backend.c_str(), pauses);
  std::printf("figure long_pauses_with_lock_%s %d count\n", backend.c_str(), locked_out);
  std::printf("figure woken_fenced_max_ms_%s %.0f ms\n", backend.c_str(), fenced_ms_max);
  std::fflush(stdout);
}

} // namespace

TEST_CASE("a node that stands still for 0.3 s keeps its place") {
  test::on_each_backend(check_short_pauses);
}

TEST_CASE("a node that stands still for 3 s is replaced, and knows it before it answers anything") {
  test::on_each_backend(check_long_pauses);
}
