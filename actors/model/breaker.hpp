// A breaker: after failures in a row a deployment is asked last, until a try shows it is well
// again.
#pragma once

#include <cstdint>
#include <string_view>

namespace troupe {

enum class breaker_state : std::uint8_t {
  closed,    // asked in its place
  open,      // asked last
  half_open, // its time is over: one request at a time may try it in its place
};

std::string_view to_string(breaker_state state) noexcept;

struct breaker_limits {
  int failures_max = 5;               // in a row, until it opens
  std::int64_t open_first_ms = 5'000; // doubled each time a try fails
  std::int64_t open_max_ms = 60'000;
  std::int64_t retry_after_max_ms = 600'000; // a deployment's own wish is believed up to this
  std::int64_t trial_limit_ms = 60'000;      // a try without an outcome counts as over after it
};

/// One deployment's breaker. Times are UTC milliseconds, given by the caller. Knows no CAF.
class breaker {
public:
  explicit breaker(breaker_limits limits = {}) : limits_(limits) {}

  breaker_state state(std::int64_t now_ms) const noexcept;

  /// True if a request may go to it in its place now. A half-open one says so once, then not again
  /// until the outcome of that try, or `trial_limit_ms`.
  bool take(std::int64_t now_ms) noexcept;

  void succeeded() noexcept;

  /// A failure that is the deployment's own. `retry_after_ms` greater than 0: it asked to be left
  /// alone for so long, and is, whatever the count.
  void failed(std::int64_t now_ms, std::int64_t retry_after_ms) noexcept;

  int failures_in_a_row() const noexcept { return failures_; }

  /// Closed, and a success would change nothing.
  bool well() const noexcept { return failures_ == 0 && opened_ == 0 && open_until_ms_ == 0; }

private:
  breaker_limits limits_;
  int failures_ = 0;
  int opened_ = 0;                 // in a row, without a success
  std::int64_t open_until_ms_ = 0; // 0: closed
  std::int64_t trial_until_ms_ = 0;
};

} // namespace troupe
