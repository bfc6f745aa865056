// CAF's configuration for Troupe: message types, errors, scheduler.
#pragma once

#include <caf/actor_system_config.hpp>

#include <cstddef>

namespace troupe {

/// Registers Troupe's messages and errors, and tunes work stealing for short wake-ups
/// (docs/decisions/0001). `threads` 0 means one a core, at least 2.
class system_config : public caf::actor_system_config {
public:
  explicit system_config(std::size_t threads = 0);
};

/// The same with CAF's deterministic test coordinator and clock in place of the thread pool.
class test_system_config : public system_config {
public:
  test_system_config();
};

} // namespace troupe
