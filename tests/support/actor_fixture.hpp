// A deterministic actor system for tests: one thread, a test clock, messages run when told to.
#pragma once

#include "messages/actor.hpp"
#include "messages/clock.hpp"
#include "messages/interfaces.hpp"
#include "messages/system.hpp"

#include <caf/actor_system.hpp>
#include <caf/scheduler/test_coordinator.hpp>
#include <caf/scoped_actor.hpp>

#include <chrono>
#include <memory>
#include <optional>

namespace troupe::test {

/// Derive doctest fixtures from it.
struct actor_fixture {
  actor_fixture();
  ~actor_fixture();

  caf::scheduler::test_coordinator& scheduler();

  /// Runs all waiting messages; returns how many actors were run.
  std::size_t run();

  /// Moves the test clock and the wall clock together, then runs what came due.
  void advance(std::chrono::microseconds by);

  /// Asks and returns the answer or its error; `ec::deadline_exceeded` if none came once all
  /// messages ran.
  template <class Answer, class Handle, class... Args>
  caf::expected<Answer> ask(const Handle& handle, Args... args) {
    caf::scoped_actor self{*system};
    auto response = self->request(handle, caf::infinite, std::move(args)...);
    run();
    if (!self->has_next_message())
      return make_error(ec::deadline_exceeded, "no answer came");
    caf::expected<Answer> result{caf::error{}};
    response.receive([&](Answer& x) { result = std::move(x); },
                     [&](caf::error& err) { result = std::move(err); });
    return result;
  }

  test_system_config config;
  probes all_probes;
  std::shared_ptr<manual_clock> clock = std::make_shared<manual_clock>(1'700'000'000'000'000);
  std::optional<caf::actor_system> system;
  actor_host host;
};

} // namespace troupe::test
