#include "messages/alarms.hpp"

#include <caf/mailbox_element.hpp>
#include <caf/sec.hpp>

#include <limits>

namespace troupe {

namespace {

constexpr std::int32_t response_kind = std::numeric_limits<std::int32_t>::min();

} // namespace

alarms::alarms(caf::actor_system& system, std::chrono::nanoseconds grain) :
    system_(system), grain_(grain), slots_(1) {}

std::shared_ptr<alarms> alarms::make(const actor_host& host, std::chrono::nanoseconds grain) {
  std::shared_ptr<alarms> made{new alarms{*host.system, grain}};
  made->ringer_ = spawn(host, &alarms::ring, std::weak_ptr{made});
  return made;
}

alarms::~alarms() { caf::anon_send_exit(ringer_, caf::exit_reason::user_shutdown); }

alarms::ringer::behavior_type alarms::ring(self_pointer<ringer, ringer_state>,
                                           std::weak_ptr<alarms> all) {
  return {[all = std::move(all)](const Tick&) {
    if (auto here = all.lock())
      here->go_off();
  }};
}

alarms::ticket alarms::tick(caf::strong_actor_ptr to, std::chrono::milliseconds after, int kind,
                            std::int64_t id) {
  return set(std::move(to), after, kind, id);
}

alarms::ticket alarms::fail(caf::strong_actor_ptr of, std::chrono::milliseconds after,
                            caf::message_id response) {
  return set(std::move(of), after, response_kind,
             static_cast<std::int64_t>(response.integer_value()));
}

alarms::ticket alarms::set(caf::strong_actor_ptr who, std::chrono::milliseconds after,
                           std::int32_t kind, std::int64_t number) {
  auto grain = grain_.count();
  std::chrono::nanoseconds at_ns = (system_.clock().now() + after).time_since_epoch();
  auto due = (at_ns.count() + grain - 1) / grain;
  std::lock_guard guard{mutex_};
  if (free_ == 0) {
    free_ = static_cast<std::uint32_t>(slots_.size());
    slots_.emplace_back();
  }
  auto at = std::exchange(free_, slots_[free_].next);
  auto& one = slots_[at];
  one.who = std::move(who);
  one.number = number;
  one.kind = kind;
  one.due = due;
  one.previous = 0;
  auto& first = first_[due];
  one.next = first;
  if (first != 0)
    slots_[first].previous = at;
  first = at;
  ++size_;
  if (woken_at_ == 0 || due < woken_at_)
    wake_at(due);
  return std::uint64_t{one.generation} << 32 | at;
}

void alarms::unlink(std::uint32_t at) {
  auto& one = slots_[at];
  if (one.next != 0)
    slots_[one.next].previous = one.previous;
  if (one.previous != 0)
    slots_[one.previous].next = one.next;
  else if (one.next != 0)
    first_[one.due] = one.next;
  else
    first_.erase(one.due);
  ++one.generation;
  one.next = std::exchange(free_, at);
  --size_;
}

void alarms::cancel(ticket which) {
  auto at = static_cast<std::uint32_t>(which);
  caf::strong_actor_ptr last; // goes once the lock is free
  std::lock_guard guard{mutex_};
  if (at == 0 || at >= slots_.size() || slots_[at].generation != which >> 32)
    return;
  last = std::move(slots_[at].who);
  unlink(at);
}

std::size_t alarms::size() const {
  std::lock_guard guard{mutex_};
  return size_;
}

void alarms::wake_at(std::int64_t due) {
  woken_at_ = due;
  caf::actor_clock::time_point at{due * grain_};
  system_.clock().schedule_message(
      at, caf::actor_cast<caf::strong_actor_ptr>(ringer_),
      caf::make_mailbox_element(nullptr, caf::make_message_id(), {}, Tick{v1::Tick{}}));
}

void alarms::go_off() {
  struct gone {
    caf::strong_actor_ptr who;
    std::int32_t kind;
    std::int64_t number;
  };
  std::vector<gone> all;
  std::chrono::nanoseconds now = system_.clock().now().time_since_epoch();
  {
    std::lock_guard guard{mutex_};
    while (!first_.empty() && first_.begin()->first * grain_ <= now) {
      auto at = first_.begin()->second;
      all.push_back({std::move(slots_[at].who), slots_[at].kind, slots_[at].number});
      unlink(at);
    }
    woken_at_ = 0;
    if (!first_.empty())
      wake_at(first_.begin()->first);
  }
  for (auto& one : all) {
    if (one.kind == response_kind) {
      caf::message_id id{static_cast<std::uint64_t>(one.number)};
      one.who->enqueue(nullptr, id, caf::make_message(caf::make_error(caf::sec::request_timeout)),
                       nullptr);
      continue;
    }
    v1::Tick tick;
    tick.set_kind(one.kind);
    tick.set_id(one.number);
    one.who->enqueue(nullptr, caf::make_message_id(), caf::make_message(Tick{std::move(tick)}),
                     nullptr);
  }
}

} // namespace troupe
