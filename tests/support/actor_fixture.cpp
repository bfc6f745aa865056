#include "tests/support/actor_fixture.hpp"

namespace troupe::test {

actor_fixture::actor_fixture() {
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
