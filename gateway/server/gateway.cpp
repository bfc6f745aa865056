#include "gateway/server/gateway.hpp"

#include <caf/send.hpp>

#include <algorithm>

namespace troupe::gateway {

namespace {

enum tick : std::int32_t { drained_clean = 1, drained_with_cuts = 2 };

Tick tick_of(tick kind) {
  v1::Tick t;
  t.set_kind(kind);
  return t;
}

} // namespace

GatewayStatus gateway_state::status() const {
  const auto& p = *options.probe;
  v1::GatewayStatus s;
  s.set_connections(p.connections);
  s.set_requests_running(p.requests_running);
  s.set_requests_total(static_cast<std::int64_t>(p.requests_total.load()));
  s.set_streams_open(p.streams_open + p.sockets_open);
  return s;
}

void gateway_state::stop_ingress(const StopIngress& command, caf::actor self) {
  auto left_us = command->deadline_us() - options.clock->now_us();
  std::chrono::milliseconds limit{std::max<std::int64_t>(0, left_us / 1'000)};
  options.server->stop_ingress(limit, [self](bool clean) {
    caf::anon_send(self, tick_of(clean ? drained_clean : drained_with_cuts));
  });
}

void gateway_state::drained(bool clean) {
  for (auto& promise : std::exchange(waiting, {})) {
    if (clean)
      promise.deliver(Done{});
    else
      promise.deliver(make_error(ec::deadline_exceeded, "requests were cut at the deadline"));
  }
}

with_timer<gateway_actor>::behavior_type
gateway_server(self_pointer<with_timer<gateway_actor>, gateway_state> self,
               gateway_options options) {
  self->state.options = std::move(options);
  return {
      [self](const GetGatewayStatus&) { return self->state.status(); },
      [self](const StopIngress& command) {
        auto promise = self->make_response_promise<Done>();
        self->state.waiting.push_back(promise);
        self->state.stop_ingress(command, caf::actor_cast<caf::actor>(self));
        return promise;
      },
      [self](const Tick& t) { self->state.drained(t->kind() == drained_clean); },
  };
}

} // namespace troupe::gateway
