// The supervisor of a node's long-lived actors.
#pragma once

#include "messages/actor.hpp"
#include "messages/interfaces.hpp"

#include <caf/actor.hpp>
#include <caf/actor_addr.hpp>

#include <functional>
#include <string>
#include <vector>

namespace troupe {

/// An actor the guardian watches.
struct guarded_child {
  std::string name;
  caf::actor handle;
  /// Starts it anew and makes the new handle known; empty: its end is the node's.
  std::function<caf::actor()> restart;
};

struct guardian_options {
  std::vector<guarded_child> children;
  /// Called once, on the guardian's thread, when the node cannot go on: it should drain and exit.
  std::function<void(const std::string& reason)> escalate;
};

/// Counts restarts in a sliding window: at most `restart_limit::restarts_max` in its window. Pure.
class restart_counter {
public:
  using time_point = caf::actor_clock::time_point;
  /// Notes a failure at `now`; false when it is one too many.
  bool may_restart(time_point now);

private:
  std::vector<time_point> recent_;
};

struct guardian_state {
  static inline const char* name = "guardian";
  std::vector<guarded_child> children;
  std::vector<restart_counter> counters;
  std::function<void(const std::string&)> escalate;
  bool escalated = false;

  void child_down(const caf::actor_addr& source, const caf::error& reason,
                  caf::actor_clock::time_point now, const std::function<void(caf::actor)>& watch);
};

guardian_actor::behavior_type guardian(self_pointer<guardian_actor, guardian_state> self,
                                       guardian_options options);

} // namespace troupe
