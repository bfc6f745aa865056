// Plays clusters under faults, a seed each: cluster_simulation [--seeds N] [--first N] [--seconds
// N]
//
// Prints the seeds that broke a promise with what happened before, and `figure` lines last. Exits
// with 1 if there are any.
#include "tests/support/cluster_simulation.hpp"

#include <CLI/CLI.hpp>
#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <cstdio>

using namespace troupe::test;
using steady = std::chrono::steady_clock;

namespace {

struct sums {
  std::uint64_t seeds = 0;
  std::uint64_t violations = 0;
  std::uint64_t steps = 0;
  std::uint64_t commits = 0;
  std::uint64_t refused = 0;
  std::uint64_t answers = 0;
  std::uint64_t handoffs = 0;
  std::uint64_t fences = 0;
  std::uint64_t deaths = 0;
  std::int64_t settled_us_max = 0;

  void add(const simulation_result& x) {
    ++seeds;
    violations += x.violation.empty() ? 0 : 1;
    steps += x.steps;
    commits += x.commits;
    refused += x.refused;
    answers += x.answers;
    handoffs += x.handoffs;
    fences += x.fences;
    deaths += x.deaths;
    settled_us_max = std::max(settled_us_max, x.settled_us);
  }
};

} // namespace

int main(int argc, char** argv) {
  constexpr std::uint64_t told_max = 5;
  std::uint64_t seeds = 0;
  std::uint64_t first = 1;
  double seconds = 60;
  CLI::App app{"Plays clusters under faults in simulated time"};
  app.add_option("--seeds", seeds, "how many; without it as many as fit into --seconds");
  app.add_option("--first", first, "the first of them");
  app.add_option("--seconds", seconds, "without --seeds");
  CLI11_PARSE(app, argc, argv);

  auto began = steady::now();
  auto took = [&] { return std::chrono::duration<double>(steady::now() - began).count(); };
  sums all;
  while (seeds == 0 ? took() < seconds : all.seeds < seeds) {
    auto result = simulate_cluster(first + all.seeds);
    all.add(result);
    if (!result.violation.empty() && all.violations <= told_max)
      fmt::print("seed {}: {}\n{}\n", result.seed, result.violation, result.trace);
    if (all.seeds % 10'000 == 0) {
      fmt::print("{} seeds, {} violations\n", all.seeds, all.violations);
      std::fflush(stdout);
    }
  }
  fmt::print("seeds {} to {}: {} events, {} writes and {} answers, {} writes refused as too late, "
             "{} shards handed over, {} nodes declared dead, {} fenced; at rest at most {} ms "
             "after the last fault\n",
             first, first + all.seeds - 1, all.steps, all.commits, all.answers, all.refused,
             all.handoffs, all.deaths, all.fences, all.settled_us_max / 1'000);
  fmt::print("figure simulate_seeds {} 1\n", all.seeds);
  fmt::print("figure simulate_violations {} 1\n", all.violations);
  fmt::print("figure simulate_seeds_per_s {:.1f} 1/s\n",
             static_cast<double>(all.seeds) / std::max(took(), 0.001));
  return all.violations == 0 ? 0 : 1;
}
