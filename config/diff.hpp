// What a reload changes.
#pragma once

#include "config/config.hpp"

#include <string>
#include <vector>

namespace troupe::config {

/// Keys by path; a list whose length changed by its section's path.
struct changes {
  std::vector<std::string> applied;       // take effect now
  std::vector<std::string> needs_restart; // only when the node starts again
};

/// How `after` differs from what runs.
changes diff(const node_config& running, const node_config& after);

/// Takes over the reloadable keys of `after`, and tells what changed.
changes reload(node_config& running, const node_config& after);

} // namespace troupe::config
