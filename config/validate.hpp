// What a configuration must fulfil beyond its types.
#pragma once

#include "config/load.hpp"

namespace troupe::config {

/// Ranges, allowed values and forms of every key, then what concerns several keys. Empty: good.
/// `where` tells the problems' places.
std::vector<problem> validate(const node_config& config, const origins& where = {});

} // namespace troupe::config
