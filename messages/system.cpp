#include "messages/system.hpp"

#include "messages/interfaces.hpp"

#include <caf/timespan.hpp>

#include <algorithm>
#include <thread>

namespace troupe {

system_config::system_config(std::size_t threads) {
  add_message_types<caf::id_block::troupe>();
  add_error_category(ec_category, render_ec);
  if (threads == 0)
    threads = std::max<std::size_t>(2, std::thread::hardware_concurrency());
  set("scheduler.max-threads", threads);
  set("work-stealing.moderate-poll-attempts", std::size_t{2});
  set("work-stealing.relaxed-sleep-duration", caf::timespan{std::chrono::milliseconds{100}});
}

test_system_config::test_system_config() { set("scheduler.policy", caf::atom("testing")); }

} // namespace troupe
