// When a group of writes is committed. Knows no actor.
#pragma once

#include <algorithm>
#include <chrono>
#include <cstddef>

namespace troupe {

/// Decides how long the writer waits for company before it commits.
///
/// A commit costs a disk flush (some milliseconds), whatever its size. While one runs, later writes
/// queue up and form the next group by themselves: that alone groups well under load, and a lone
/// writer must not wait at all. Waiting pays in one case only: after a group of n, its n askers get
/// their answers at once and most of them write again within microseconds; committing the first of
/// them alone would make the others wait for a whole flush. So the writer waits until as many have
/// come as the group before had, but at most the delay, counted from the oldest write waiting.
class commit_gather {
public:
  using duration = std::chrono::microseconds;

  commit_gather(duration delay, std::size_t rows_max) : delay_(delay), rows_max_(rows_max) {}

  /// How much longer to wait when `commands` of `rows` rows wait, the oldest since `waited`. Zero:
  /// commit now.
  duration wait(std::size_t commands, std::size_t rows, duration waited) const {
    if (commands >= expected_ || rows >= rows_max_ || waited >= delay_)
      return duration::zero();
    return delay_ - waited;
  }

  void group_sent(std::size_t commands) { expected_ = std::max<std::size_t>(commands, 1); }

private:
  duration delay_;
  std::size_t rows_max_;
  std::size_t expected_ = 1;
};

} // namespace troupe
