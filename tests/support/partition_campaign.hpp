// Faults of one kind made again and again in a cluster over hosts, and the worst of what was
// measured.
#pragma once

#include "tests/support/partition_cluster.hpp"

#include <doctest/doctest.h>

#include <algorithm>
#include <optional>
#include <random>
#include <string>
#include <vector>

/// Decorates a test case that needs tests/support/network_hosts.hpp.
#define NEED_HOSTS                                                                                 \
  doctest::skip(!troupe::test::network_hosts::missing().empty())                                   \
      * doctest::description("needs root and network namespaces")

namespace troupe::test {

inline constexpr double refused_ms_max = 1'500;  // from a cut to a refusal
inline constexpr double healed_ms_max = 3'000;   // from a heal until everything answers
inline constexpr double failover_ms_max = 2'000; // from a cut until others answer

class partition_campaign : public partition_cluster {
public:
  /// Under load from the first. `sample`: how many faults, if $TROUPE_CAMPAIGN_RUNS does not say.
  partition_campaign(int nodes_count, int sample);

  /// By chance, from 0 to limit - 1.
  int below(int limit) { return static_cast<int>(random() % static_cast<unsigned>(limit)); }
  void wait_some(int from_ms, int to_ms);
  /// All nodes but these.
  std::vector<int> but(const std::vector<int>& some) const;
  /// Requests that came between the two moments and were refused.
  std::size_t refused_between(time_point from, time_point to) const;
  /// Requests that had been asked for and were not answered.
  std::size_t in_flight_at(time_point moment) const;

  /// Keeps the worst; fails without a measurement.
  void take(double& worst, const std::optional<double>& took, const std::string& what);
  void heal_and_measure();
  /// Ends everything, checks what is promised of every kind, and prints its figures.
  void conclude(const std::string& kind);
  void print(const std::string& what, double value, const char* unit) const;

  int runs;
  std::mt19937 random;
  double refused_ms = 0;
  double failover_ms = 0;
  double healed_ms = 0;
  double owner_ms = 0;   // of an owner, while others cannot reach it
  double waiting_ms = 0; // of who waited when the heal came

private:
  partition_campaign(int nodes_count, int runs, unsigned seed);

  std::string kind_;
};

} // namespace troupe::test
