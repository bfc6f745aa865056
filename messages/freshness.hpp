// Whether what an actor answered still holds, told without a message.
#pragma once

#include <atomic>
#include <cstdint>

namespace troupe {

/// An actor that owns it lets others keep its answers: who kept one with the stamp from before they
/// asked may use it again while `holds` says so. Thread-safe; one actor changes it.
class freshness {
public:
  std::uint64_t stamp() const noexcept { return stamp_.load(std::memory_order_acquire); }

  /// True if answers may be kept at all now: the actor needs to hear of nothing.
  bool steady() const noexcept { return is_steady(stamp()); }

  bool holds(std::uint64_t kept) const noexcept { return is_steady(kept) && kept == stamp(); }

  /// What was answered so far holds no more. Not `steady`: what is answered from now on neither.
  void change(bool steady) noexcept {
    stamp_.store((stamp_.load(std::memory_order_relaxed) | 1) + (steady ? 1 : 2),
                 std::memory_order_release);
  }

private:
  static bool is_steady(std::uint64_t stamp) noexcept { return stamp % 2 == 0; }

  std::atomic<std::uint64_t> stamp_{0};
};

} // namespace troupe
