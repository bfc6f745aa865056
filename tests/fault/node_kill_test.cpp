// kill -9 of a whole node under load, again and again: nothing that was acknowledged is lost, and
// nothing is there, or said, twice.
#include "persistence/soci/sqlite.hpp"
#include "tests/support/audit.hpp"
#include "tests/support/chat_load.hpp"
#include "tests/support/mock_process.hpp"
#include "tests/support/process.hpp"

#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <map>
#include <random>

using namespace troupe;
using namespace std::chrono_literals;
using steady = std::chrono::steady_clock;

namespace {

namespace fs = std::filesystem;

/// What a dead node left, before another process touches it.
std::string copy_of_data(const test::temp_dir& dir) {
  auto copy = dir.path() + "/copy";
  fs::remove_all(copy);
  fs::create_directory(copy);
  for (const char* name : {"troupe.db", "troupe.db-wal"})
    if (fs::exists(dir.path() + "/data/" + name))
      fs::copy_file(dir.path() + "/data/" + name, copy + "/" + name);
  return copy;
}

persistence::database_factory_ptr database_in(const std::string& folder) {
  return persistence::make_sqlite_factory(folder + "/troupe.db");
}

struct campaign {
  explicit campaign(unsigned seed) : random(seed) {
    config = mock.yaml() + "log: {access: false}\nsession: {queue_max: 32}\n";
    start();
    ready_ms.clear(); // of restarts alone
  }

  void start() {
    auto began = steady::now();
    node.emplace(dir, config, 60s);
    ready_ms.push_back(std::chrono::duration<double, std::milli>(steady::now() - began).count());
    place.set(*node);
  }

  /// Dies at a random moment, comes back on the same folder; what it left is looked at meanwhile.
  void kill_once(const std::vector<std::string>& conversations) {
    // Now and then while it is still taking up what it left the last time.
    std::this_thread::sleep_for(
        std::chrono::microseconds{random() % (random() % 4 == 0 ? 50'000 : 900'000)});
    auto acknowledged = log.messages();
    node->child().kill();
    ++kills;
    place.clear();
    auto copy = copy_of_data(dir);
    start();
    if (auto findings = test::db_check(dir, copy); !findings.empty()) {
      ++db_check_failures;
      log.odd("troupe db check after kill " + std::to_string(kills) + ": " + findings);
    }
    test::check_messages(*database_in(copy), conversations, acknowledged, false, log);
  }

  double ready_p99_ms() const {
    auto sorted = ready_ms;
    std::sort(sorted.begin(), sorted.end());
    auto rank = std::ceil(0.99 * static_cast<double>(sorted.size()));
    return sorted[static_cast<std::size_t>(std::max(rank, 1.0)) - 1];
  }

  test::temp_dir dir;
  test::mock_process mock{dir, {"--latency-ms", "10", "--tokens", "40", "--tokens-per-s", "400"}};
  std::string config;
  std::mt19937 random;
  test::node_place place;
  test::load_log log;
  std::optional<test::troupe_node> node;
  std::vector<double> ready_ms;
  std::size_t kills = 0;
  int db_check_failures = 0;
};

void print_figures(const campaign& c) {
  std::printf("figure kills %zu count\n", c.kills);
  std::printf("figure acknowledged_messages %zu count\n", c.log.messages().size());
  std::printf("figure acknowledged_lost %zu count\n", c.log.lost().size());
  std::printf("figure doubled %zu count\n", c.log.doubled().size());
  std::printf("figure db_check_failures %d count\n", c.db_check_failures);
  std::printf("figure turns_given_up %zu count\n", c.log.failed_turns());
  std::printf("figure restart_to_ready_p99_ms %.0f ms\n", c.ready_p99_ms());
  std::fflush(stdout);
}

} // namespace

TEST_CASE("a node killed under load keeps what it acknowledged, exactly once") {
  auto seed = test::seed_wanted();
  MESSAGE("kills " << test::runs_wanted(20) << ", TROUPE_SEED=" << seed);
  campaign c{seed};
  test::chat_load_options options;
  options.seed = seed;
  options.model = "mock";
  {
    test::chat_load load{c.place, c.log, options};
    for (int i = 0; i < test::runs_wanted(20); ++i)
      c.kill_once(load.conversations());
    load.finish();
    // An orderly end writes what the ledger holds.
    c.node->child().signal(SIGTERM);
    CHECK(c.node->child().wait(30s) == 0);
    auto data = c.dir.path() + "/data";
    CHECK(test::db_check(c.dir, data) == "");
    test::check_messages(*database_in(data), load.conversations(), c.log.messages(), true, c.log);
    test::check_completions(*database_in(data), c.log);
  }
  test::tell(c.log.lost());
  test::tell(c.log.doubled());
  test::tell(c.log.odd());
  CHECK(c.log.lost().empty());
  CHECK(c.log.doubled().empty());
  CHECK(c.log.odd().empty());
  CHECK(c.db_check_failures == 0);
  CHECK(c.log.messages().size() > c.kills);
  CHECK(!c.log.completions().empty());
  MESSAGE(c.log.messages().size() << " messages acknowledged, " << c.log.completions().size()
                                  << " completions, " << c.log.failed_turns()
                                  << " turns given up, ready after " << c.ready_p99_ms()
                                  << " ms (p99)");
  print_figures(c);
}
