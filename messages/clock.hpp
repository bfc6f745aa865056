// Wall-clock time, injected. Timers are CAF's: an actor's `clock()` and `delayed_send`.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>

namespace troupe {

/// Tells UTC time. Thread-safe. Tests hold a `manual_clock`.
class wall_clock {
public:
  virtual ~wall_clock() = default;
  /// UTC microseconds since 1970.
  virtual std::int64_t now_us() const = 0;
};

using wall_clock_ptr = std::shared_ptr<const wall_clock>;

/// The machine's clock.
wall_clock_ptr system_clock();

/// Stands still until it is moved.
class manual_clock final : public wall_clock {
public:
  explicit manual_clock(std::int64_t start_us) : now_us_(start_us) {}
  std::int64_t now_us() const override { return now_us_.load(); }
  void advance_us(std::int64_t us) { now_us_ += us; }

private:
  std::atomic<std::int64_t> now_us_;
};

} // namespace troupe
