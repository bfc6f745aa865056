// What a node uses when no upstream is configured, and secrets that are kept elsewhere.
#pragma once

#include "config/load.hpp"

namespace troupe::config {

/// Without upstreams: one from OPENAI_API_KEY, OPENAI_BASE_URL and OPENAI_MODEL if the first or
/// the second is there, else the built-in demo.
void add_fallback_upstream(loaded& into, const environment& variables);

/// Replaces env:NAME and file:PATH in secret keys by what stands there.
void resolve_references(loaded& into, const environment& variables);

} // namespace troupe::config
