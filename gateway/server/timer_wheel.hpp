// Many deadlines, one clock: timers that cost a list link each. Knows neither asio nor CAF.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>

namespace troupe::gateway {

class timer_wheel;

/// Something that may be due. Derive, and set it in a wheel. Leaves its wheel when destroyed.
class timer {
public:
  timer() = default;
  timer(const timer&) = delete;
  timer& operator=(const timer&) = delete;
  virtual ~timer() { cancel(); }

  bool set() const noexcept { return next_ != nullptr; }
  void cancel() noexcept;

protected:
  /// It is due, and out of the wheel; may set itself again, and set or cancel others.
  virtual void expired() = 0;

private:
  friend class timer_wheel;
  timer* previous_ = nullptr;
  timer* next_ = nullptr;
  std::int64_t tick_ = 0;
};

/// A hashed wheel: setting and cancelling is O(1); a timer fires at most one tick late and never
/// early. Times are monotonic microseconds. Not thread-safe.
class timer_wheel {
public:
  static constexpr std::int64_t tick_us = 8'000;

  explicit timer_wheel(std::int64_t now_us);
  ~timer_wheel();
  timer_wheel(const timer_wheel&) = delete;
  timer_wheel& operator=(const timer_wheel&) = delete;

  /// Sets `t` to be due at `due_us`; one that is set already is moved.
  void set(timer& t, std::int64_t due_us);

  /// Fires all that is due at `now_us`.
  void advance(std::int64_t now_us);

  /// When to call `advance` next: not after the first timer is due plus one tick. Nothing if no
  /// timer is set.
  std::optional<std::int64_t> next_us() const;

private:
  static constexpr std::size_t slots = 1'024;
  struct head final : timer {
    void expired() override {}
  };

  static void link(timer& list, timer& t) noexcept;
  void fire_slot(std::size_t slot);

  std::int64_t tick_; // all before and with it has fired
  std::array<head, slots> heads_;
};

} // namespace troupe::gateway
