// The store as the text services see it, on a SQLite file, without workers: for tests of those who
// talk to it. It misbehaves when told to.
#pragma once

#include "messages/actor.hpp"
#include "messages/interfaces.hpp"
#include "tests/support/backends.hpp"

#include <functional>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace troupe::test {

/// What the fake holds. Shared with the test: look into it while no actor runs.
struct fake_text_store_data {
  test_database database;
  std::int64_t now_us = 1'700'000'000'000'000;
  /// Asked for every request, by its message's name ("ListRulesets"); what it fails with.
  std::function<ec(std::string_view request)> failing;
  /// Requests of this name wait in `held` until the fake gets a Tick.
  std::string holding;
  std::vector<std::function<void()>> held;
  std::map<std::string, int> calls; // by request name
};
using fake_text_store_ptr = std::shared_ptr<fake_text_store_data>;

struct fake_text_store_state {
  static inline const char* name = "text_store";
};

using fake_text_store_actor = with_timer<text_store_actor>;

fake_text_store_actor::behavior_type
fake_text_store(self_pointer<fake_text_store_actor, fake_text_store_state> self,
                fake_text_store_ptr data);

} // namespace troupe::test
