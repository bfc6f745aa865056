// The timers of the OneBot actor.
#pragma once

#include "messages/types.hpp"

namespace troupe {

enum class onebot_tick {
  check,    // look at all connections
  echo_due, // the answer to action `id` should be there
};

inline Tick make_tick(onebot_tick kind, std::int64_t id) {
  v1::Tick tick;
  tick.set_kind(static_cast<std::int32_t>(kind));
  tick.set_id(id);
  return Tick{std::move(tick)};
}

} // namespace troupe
