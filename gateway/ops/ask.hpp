// Asking an actor from a thread that may wait.
#pragma once

#include "messages/error.hpp"

#include <caf/actor_system.hpp>
#include <caf/expected.hpp>
#include <caf/scoped_actor.hpp>

#include <chrono>
#include <utility>

namespace troupe::gateway::ops {

/// Sends a request and waits for its answer, at most `limit`: an actor that hangs costs no more.
/// Never on an actor's or an I/O thread.
template <class Answer, class Handle, class... Args>
caf::expected<Answer> ask_blocking(caf::actor_system& system, const Handle& receiver,
                                   std::chrono::milliseconds limit, Args... args) {
  caf::scoped_actor self{system};
  caf::expected<Answer> result{make_error(ec::internal, "no answer")};
  self->request(receiver, limit, std::move(args)...)
      .receive([&](Answer& answer) { result = std::move(answer); },
               [&](caf::error& err) { result = std::move(err); });
  return result;
}

} // namespace troupe::gateway::ops
