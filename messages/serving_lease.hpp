// Until when this node may answer for its shards, known to all without a message.
#pragma once

#include <atomic>
#include <cstdint>

namespace troupe {

/// Microseconds since this machine started, those it slept included.
std::int64_t boot_clock_us() noexcept;

/// Written by the membership, read with every request. Thread-safe.
class serving_lease {
public:
  /// The lease of an incarnation of this node: who still has the shards of another one may not
  /// answer for them.
  void set(std::int64_t until_us, std::int64_t incarnation) noexcept {
    if (incarnation_.exchange(incarnation) != incarnation)
      end();
    until_us_.store(until_us);
  }
  void end() noexcept { until_us_.store(0); }
  bool holds(std::int64_t now_us) const noexcept { return now_us < until_us_.load(); }
  bool holds(std::int64_t now_us, std::int64_t incarnation) const noexcept {
    return holds(now_us) && incarnation_.load() == incarnation;
  }
  std::int64_t until_us() const noexcept { return until_us_.load(std::memory_order_acquire); }

private:
  std::atomic<std::int64_t> until_us_{0};
  std::atomic<std::int64_t> incarnation_{0};
};

} // namespace troupe
