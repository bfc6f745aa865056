#include "actors/moderation/live_matcher.hpp"

#include <algorithm>
#include <utility>

namespace troupe::moderation {

live_matcher::live_matcher(std::shared_ptr<const matcher> first) : current_(std::move(first)) {}

std::shared_ptr<const matcher> live_matcher::get() const {
  std::lock_guard lock{mutex_};
  return current_;
}

bool live_matcher::try_get(std::shared_ptr<const matcher>& kept, std::uint64_t& generation) const {
  std::shared_ptr<const matcher> old; // let go of after the lock
  std::unique_lock lock{mutex_, std::try_to_lock};
  if (!lock)
    return false;
  old = std::exchange(kept, current_);
  generation = generation_.load(std::memory_order_relaxed);
  return true;
}

void live_matcher::replace(std::shared_ptr<const matcher> next) {
  collect();
  std::shared_ptr<const matcher> dropped;
  {
    std::lock_guard lock{mutex_};
    if (replaced_.size() == replaced_max) {
      dropped = std::move(replaced_.front());
      replaced_.erase(replaced_.begin());
    }
    replaced_.push_back(std::exchange(current_, std::move(next)));
    generation_.fetch_add(1, std::memory_order_release);
  }
  dropped.reset();
  collect();
}

std::size_t live_matcher::collect() {
  std::vector<std::shared_ptr<const matcher>> unused; // deleted after the lock is let go
  std::lock_guard lock{mutex_};
  // Nobody can take one from here, so that a count of one stays one.
  auto used = std::stable_partition(replaced_.begin(), replaced_.end(),
                                    [](const auto& one) { return one.use_count() > 1; });
  unused.assign(std::make_move_iterator(used), std::make_move_iterator(replaced_.end()));
  replaced_.erase(used, replaced_.end());
  return replaced_.size();
}

} // namespace troupe::moderation
