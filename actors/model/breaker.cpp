#include "actors/model/breaker.hpp"

#include <algorithm>

namespace troupe {

std::string_view to_string(breaker_state state) noexcept {
  switch (state) {
    case breaker_state::closed:
      return "closed";
    case breaker_state::open:
      return "open";
    default:
      return "half_open";
  }
}

breaker_state breaker::state(std::int64_t now_ms) const noexcept {
  if (open_until_ms_ == 0)
    return breaker_state::closed;
  return now_ms < open_until_ms_ ? breaker_state::open : breaker_state::half_open;
}

bool breaker::take(std::int64_t now_ms) noexcept {
  switch (state(now_ms)) {
    case breaker_state::closed:
      return true;
    case breaker_state::open:
      return false;
    default:
      if (now_ms < trial_until_ms_)
        return false;
      trial_until_ms_ = now_ms + limits_.trial_limit_ms;
      return true;
  }
}

void breaker::succeeded() noexcept {
  failures_ = 0;
  opened_ = 0;
  open_until_ms_ = 0;
  trial_until_ms_ = 0;
}

void breaker::failed(std::int64_t now_ms, std::int64_t retry_after_ms) noexcept {
  ++failures_;
  auto was = state(now_ms);
  std::int64_t wait = 0;
  if (was == breaker_state::half_open
      || (was == breaker_state::closed && failures_ >= limits_.failures_max)) {
    wait = std::min(limits_.open_first_ms << std::min(opened_, 16), limits_.open_max_ms);
    ++opened_;
  }
  if (retry_after_ms > 0)
    wait = std::max(wait, std::min(retry_after_ms, limits_.retry_after_max_ms));
  if (wait == 0)
    return;
  trial_until_ms_ = 0;
  open_until_ms_ = std::max(open_until_ms_, now_ms + wait);
}

} // namespace troupe
