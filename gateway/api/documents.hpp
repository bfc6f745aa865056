// What a node says of itself: whether it is well, its API's description, and pages that show it.
#pragma once

#include "gateway/server/router.hpp"

#include <functional>

namespace troupe::gateway {

struct document_options {
  /// Why no traffic should be sent here; no error: it is ready. Called on I/O threads.
  std::function<caf::error()> not_ready;
  /// Serves `/` too: a page that says what this is, until there is a web app there.
  bool welcome = true;
};

/// GET /healthz, /readyz, /openapi.json, /docs and, if asked, /.
void add_document_routes(router& routes, document_options options);

} // namespace troupe::gateway
