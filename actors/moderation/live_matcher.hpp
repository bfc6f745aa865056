// The matcher in use, which is replaced while others work with it.
#pragma once

#include "actors/moderation/matcher.hpp"

#include <atomic>
#include <cstdint>
#include <memory>
#include <mutex>
#include <vector>

namespace troupe::moderation {

/// Thread-safe. Whoever took a matcher keeps it as long as it likes; a replaced one is deleted by
/// `replace` or `collect`, so that no request pays for it.
class live_matcher {
public:
  explicit live_matcher(std::shared_ptr<const matcher> first);

  std::shared_ptr<const matcher> get() const;

  /// Takes the matcher in use and its generation, unless somebody else is at it just now: false,
  /// without waiting.
  bool try_get(std::shared_ptr<const matcher>& kept, std::uint64_t& generation) const;

  /// Grows with each replacement. Who keeps a matcher needs to look at nothing else.
  std::uint64_t generation() const noexcept { return generation_.load(std::memory_order_acquire); }

  /// Puts `next` in its place. Waits for nobody.
  void replace(std::shared_ptr<const matcher> next);

  /// Deletes replaced matchers that nobody uses any more; returns how many are still used. More
  /// than `replaced_max` are not kept: the oldest is then deleted by its last user.
  std::size_t collect();

  static constexpr std::size_t replaced_max = 8;

private:
  mutable std::mutex mutex_; // held for a few instructions only
  std::shared_ptr<const matcher> current_;
  std::vector<std::shared_ptr<const matcher>> replaced_;
  std::atomic<std::uint64_t> generation_{1};
};

/// One user's view of it: a look at one number, unless the matcher was replaced; then the new one
/// at once, or a request later. Never waits. Not thread-safe.
class matcher_view {
public:
  explicit matcher_view(const live_matcher& live) : live_(live), kept_(live.get()) {}

  const std::shared_ptr<const matcher>& get() {
    if (live_.generation() != generation_)
      live_.try_get(kept_, generation_);
    return kept_;
  }

private:
  const live_matcher& live_;
  std::uint64_t generation_ = 0;
  std::shared_ptr<const matcher> kept_;
};

} // namespace troupe::moderation
