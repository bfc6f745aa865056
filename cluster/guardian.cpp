#include "cluster/guardian.hpp"

#include "messages/log.hpp"

#include <caf/exit_reason.hpp>

#include <algorithm>

namespace troupe {

bool restart_counter::may_restart(time_point now) {
  std::erase_if(recent_, [now](auto t) { return now - t > restart_limit::window; });
  recent_.push_back(now);
  return recent_.size() <= static_cast<std::size_t>(restart_limit::restarts_max);
}

void guardian_state::child_down(const caf::actor_addr& source, const caf::error& reason,
                                caf::actor_clock::time_point now,
                                const std::function<void(caf::actor)>& watch) {
  auto child = std::find_if(children.begin(), children.end(),
                            [&](auto& c) { return c.handle.address() == source; });
  // A user shutdown is the drain at work, not a failure.
  if (child == children.end() || escalated || reason == caf::exit_reason::user_shutdown)
    return;
  auto& counter = counters[static_cast<std::size_t>(child - children.begin())];
  if (child->restart && counter.may_restart(now)) {
    log_warn("child_restarted", {{"child", child->name}, {"reason", describe(reason)}});
    child->handle = child->restart();
    watch(child->handle);
    return;
  }
  escalated = true;
  log_error("child_lost", {{"child", child->name}, {"reason", describe(reason)}});
  if (escalate)
    escalate(child->name + " ended: " + describe(reason));
}

guardian_actor::behavior_type guardian(self_pointer<guardian_actor, guardian_state> self,
                                       guardian_options options) {
  self->state.children = std::move(options.children);
  self->state.counters.resize(self->state.children.size());
  self->state.escalate = std::move(options.escalate);
  for (auto& child : self->state.children)
    self->monitor(child.handle);
  self->set_down_handler([self](caf::down_msg& down) {
    self->state.child_down(down.source, down.reason, self->clock().now(),
                           [self](caf::actor child) { self->monitor(child); });
  });
  return {[](const ChildDied& event) {
    log_warn("child_died", {{"child", event->name()}, {"reason", event->reason()}});
  }};
}

} // namespace troupe
