#include "tests/support/partition_campaign.hpp"

#include "tests/support/audit.hpp"

#include <cstdio>
#include <thread>

namespace troupe::test {

using namespace std::chrono_literals;

partition_campaign::partition_campaign(int nodes_count, int sample) :
    partition_campaign(nodes_count, runs_wanted(sample), seed_wanted()) {}

partition_campaign::partition_campaign(int nodes_count, int runs, unsigned seed) :
    partition_cluster(seed, nodes_count), runs(runs), random(seed) {
  MESSAGE("runs " << runs << ", TROUPE_SEED=" << seed);
  begin();
}

void partition_campaign::wait_some(int from_ms, int to_ms) {
  std::this_thread::sleep_for(std::chrono::milliseconds{from_ms + below(to_ms - from_ms + 1)});
}

std::vector<int> partition_campaign::but(const std::vector<int>& some) const {
  std::vector<int> out;
  for (int i = 0; i < count(); ++i)
    if (std::find(some.begin(), some.end(), i) == some.end())
      out.push_back(i);
  return out;
}

std::size_t partition_campaign::refused_between(time_point from, time_point to) const {
  auto ops = history.ops();
  return static_cast<std::size_t>(std::count_if(ops.begin(), ops.end(), [&](const append_op& op) {
    return op.outcome == append_outcome::refused && op.invoked > from && op.invoked < to;
  }));
}

std::size_t partition_campaign::in_flight_at(time_point moment) const {
  auto ops = history.ops();
  return static_cast<std::size_t>(std::count_if(ops.begin(), ops.end(), [&](const append_op& op) {
    return op.invoked < moment && op.completed > moment;
  }));
}

void partition_campaign::take(double& worst, const std::optional<double>& took,
                              const std::string& what) {
  INFO(what);
  REQUIRE(took.has_value());
  worst = std::max(worst, *took);
}

void partition_campaign::heal_and_measure() {
  take(healed_ms, heal(), "every conversation answers through every node after the heal");
  CHECK(nodes.wait_settled(60s));
}

void partition_campaign::conclude(const std::string& kind) {
  kind_ = kind;
  finish();
  CHECK(healed_ms <= healed_ms_max);
  print("runs", runs, "count");
  print("acknowledged", static_cast<double>(acknowledged()), "count");
  print("unknown", static_cast<double>(unknown()), "count");
  print("healed_max_ms", healed_ms, "ms");
}

void partition_campaign::print(const std::string& what, double value, const char* unit) const {
  std::printf("figure partition_%s_%s %.0f %s\n", kind_.c_str(), what.c_str(), value, unit);
  std::fflush(stdout);
}

} // namespace troupe::test
