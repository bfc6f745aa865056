// Waiting longer after each failure. No CAF.
#pragma once

#include <algorithm>
#include <cstdint>
#include <random>

namespace troupe::channels {

/// Exponential back-off with full jitter: evenly between 0 and first * 2^failures, at most `max`.
struct backoff {
  std::int64_t first_ms = 500;
  std::int64_t max_ms = 60'000;

  std::int64_t ceiling_ms(std::int64_t failures) const {
    auto doublings = std::clamp<std::int64_t>(failures, 0, 30);
    return std::min(max_ms, first_ms << doublings);
  }

  template <class Generator>
  std::int64_t delay_ms(std::int64_t failures, Generator& random) const {
    return std::uniform_int_distribution<std::int64_t>{0, ceiling_ms(failures)}(random);
  }
};

} // namespace troupe::channels
