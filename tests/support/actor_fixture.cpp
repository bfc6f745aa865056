#include "tests/support/actor_fixture.hpp"

#include <cstdlib>

namespace troupe::test {

actor_fixture::actor_fixture() {
  // Failures that tests provoke are not worth reading, unless somebody wants to.
  if (std::getenv("TROUPE_TEST_LOG") == nullptr)
    set_log_level(log_level::off);
  system.emplace(config);
  host = {&*system, &all_probes};
}

actor_fixture::~actor_fixture() { run(); }

caf::scheduler::test_coordinator& actor_fixture::scheduler() {
  return dynamic_cast<caf::scheduler::test_coordinator&>(system->scheduler());
}

std::size_t actor_fixture::run() { return scheduler().run(); }

void actor_fixture::advance(std::chrono::microseconds by) {
  clock->advance_us(by.count());
  scheduler().advance_time(by);
  run();
}

} // namespace troupe::test
