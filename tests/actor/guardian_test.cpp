// The guardian restarts what can be restarted, three times in five seconds, and escalates.
#include "cluster/guardian.hpp"
#include "tests/support/actor_fixture.hpp"

#include <caf/event_based_actor.hpp>
#include <caf/exit_reason.hpp>
#include <caf/send.hpp>

#include <doctest/doctest.h>

using namespace troupe;

namespace {

struct guardian_fixture : test::actor_fixture {
  caf::actor worker() {
    return system->spawn([](caf::event_based_actor*) -> caf::behavior { return {[](int) {}}; });
  }

  void kill(const caf::actor& victim) {
    caf::anon_send_exit(victim, caf::exit_reason::kill);
    run();
  }

  guardian_actor guard(std::function<caf::actor()> restart) {
    current = worker();
    guardian_options options;
    options.children.push_back({"worker", current, std::move(restart)});
    options.escalate = [this](const std::string& reason) { escalations.push_back(reason); };
    auto result = troupe::spawn(host, guardian, std::move(options));
    run();
    return result;
  }

  caf::actor current;
  int restarts = 0;
  std::vector<std::string> escalations;
};

} // namespace

TEST_CASE_FIXTURE(guardian_fixture,
                  "the end of an actor that cannot be restarted is escalated once") {
  auto g = guard(nullptr);
  kill(current);
  REQUIRE(escalations.size() == 1);
  CHECK(escalations[0] == "worker ended: kill");
}

TEST_CASE_FIXTURE(guardian_fixture,
                  "a child is restarted three times in five seconds, then escalated") {
  auto g = guard([this] {
    ++restarts;
    return current = worker();
  });
  for (int i = 0; i < 3; ++i)
    kill(current);
  CHECK(restarts == 3);
  CHECK(escalations.empty());
  kill(current);
  CHECK(restarts == 3);
  CHECK(escalations.size() == 1);
}

TEST_CASE_FIXTURE(guardian_fixture, "a child that fails now and then is restarted for ever") {
  auto g = guard([this] {
    ++restarts;
    return current = worker();
  });
  for (int i = 0; i < 20; ++i) {
    kill(current);
    advance(std::chrono::seconds{2});
  }
  CHECK(restarts == 20);
  CHECK(escalations.empty());
}

TEST_CASE_FIXTURE(guardian_fixture, "an orderly shutdown of a child is no failure") {
  auto g = guard(nullptr);
  caf::anon_send_exit(current, caf::exit_reason::user_shutdown);
  run();
  CHECK(escalations.empty());
}
