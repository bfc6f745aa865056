#include "cluster/link/remote_sink.hpp"

namespace troupe::link {

bool is_end(const v1::TurnEvents& events) {
  if (events.events().empty())
    return false;
  const auto& last = *events.events().rbegin();
  return last.has_finished() || last.has_failed();
}

turn_sink_actor::behavior_type remote_sink(self_pointer<turn_sink_actor, remote_sink_state> self,
                                           remote_sink_options options) {
  return {[self, options](const TurnEvents& events) {
    auto sent = options.out->events(options.id, *events);
    if (sent == outbox::result::full || sent == outbox::result::too_long)
      options.out->lost(options.id);
    if (sent != outbox::result::put || is_end(*events))
      self->quit();
  }};
}

} // namespace troupe::link
