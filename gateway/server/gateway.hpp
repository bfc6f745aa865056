// The actor that owns the public HTTP server.
#pragma once

#include "gateway/server/server.hpp"
#include "messages/clock.hpp"
#include "messages/interfaces.hpp"

#include <memory>

namespace troupe::gateway {

struct gateway_options {
  std::shared_ptr<gateway::server> server; // started
  gateway_probe* probe = nullptr;
  wall_clock_ptr clock;
};

struct gateway_state {
  static inline const char* name = "gateway";

  GatewayStatus status() const;
  /// Answers from `drained` on.
  void stop_ingress(const StopIngress& command, caf::actor self);
  void drained(bool clean);

  gateway_options options;
  std::vector<caf::typed_response_promise<Done>> waiting;
};

/// Answers StopIngress with `deadline_exceeded` if requests had to be cut. The server itself is
/// stopped by who made it.
with_timer<gateway_actor>::behavior_type
gateway_server(self_pointer<with_timer<gateway_actor>, gateway_state> self,
               gateway_options options);

} // namespace troupe::gateway
