// Sends the events of one turn to the node that subscribed.
#pragma once

#include "cluster/link/outbox.hpp"
#include "messages/actor.hpp"
#include "messages/interfaces.hpp"

#include <cstdint>
#include <memory>

namespace troupe::link {

struct remote_sink_options {
  std::shared_ptr<outbox> out;
  std::uint64_t id = 0; // of the request that subscribed
};

struct remote_sink_state {
  static inline const char* name = "remote_sink";
};

/// Ends with the turn, with the link, and when the other node does not keep up: it is told that
/// events were lost, and subscribes again.
turn_sink_actor::behavior_type remote_sink(self_pointer<turn_sink_actor, remote_sink_state> self,
                                           remote_sink_options options);

/// Whether the turn has no event after these.
bool is_end(const v1::TurnEvents& events);

} // namespace troupe::link
