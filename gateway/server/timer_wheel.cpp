#include "gateway/server/timer_wheel.hpp"

#include <algorithm>

namespace troupe::gateway {

void timer::cancel() noexcept {
  if (next_ == nullptr)
    return;
  previous_->next_ = next_;
  next_->previous_ = previous_;
  previous_ = next_ = nullptr;
}

timer_wheel::timer_wheel(std::int64_t now_us) : tick_(now_us / tick_us) {
  for (auto& list : heads_)
    list.previous_ = list.next_ = &list;
}

timer_wheel::~timer_wheel() {
  for (auto& list : heads_) {
    while (list.next_ != &list)
      list.next_->cancel();
    list.previous_ = list.next_ = nullptr;
  }
}

void timer_wheel::link(timer& list, timer& t) noexcept {
  t.previous_ = list.previous_;
  t.next_ = &list;
  list.previous_->next_ = &t;
  list.previous_ = &t;
}

void timer_wheel::set(timer& t, std::int64_t due_us) {
  t.cancel();
  // Rounded up: never early.
  t.tick_ = std::max((due_us + tick_us - 1) / tick_us, tick_ + 1);
  link(heads_[static_cast<std::size_t>(t.tick_) % slots], t);
}

void timer_wheel::fire_slot(std::size_t slot) {
  // What is in the slot moves to a list of its own, so that timers set meanwhile wait their turn.
  head waiting;
  auto& list = heads_[slot];
  if (list.next_ == &list)
    return;
  waiting.next_ = list.next_;
  waiting.previous_ = list.previous_;
  waiting.next_->previous_ = waiting.previous_->next_ = &waiting;
  list.previous_ = list.next_ = &list;
  while (waiting.next_ != &waiting) {
    auto& t = *waiting.next_;
    t.cancel();
    if (t.tick_ > tick_)
      link(list, t);
    else
      t.expired();
  }
  waiting.previous_ = waiting.next_ = nullptr;
}

void timer_wheel::advance(std::int64_t now_us) {
  auto target = now_us / tick_us;
  // After a long sleep one whole turn of the wheel sees every slot.
  auto first = std::max(tick_ + 1, target - static_cast<std::int64_t>(slots) + 1);
  for (auto tick = first; tick <= target; ++tick) {
    tick_ = std::max(tick_, target);
    fire_slot(static_cast<std::size_t>(tick) % slots);
  }
}

std::optional<std::int64_t> timer_wheel::next_us() const {
  // What is in the slot may be of a later turn: one look too many, at most one a tick.
  for (std::int64_t tick = tick_ + 1; tick <= tick_ + static_cast<std::int64_t>(slots); ++tick) {
    const auto& list = heads_[static_cast<std::size_t>(tick) % slots];
    if (list.next_ != &list)
      return tick * tick_us;
  }
  return std::nullopt;
}

} // namespace troupe::gateway
