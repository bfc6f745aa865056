// What a node says of itself: whether it is well, its API's description, and pages that show it.
#pragma once

#include "gateway/server/router.hpp"

#include <caf/expected.hpp>
#include <nlohmann/json.hpp>

#include <functional>
#include <string>
#include <string_view>

namespace troupe::gateway {

/// YAML as JSON, by YAML's core schema: plain scalars become null, booleans and numbers where they
/// look like them. Throws YAML::Exception.
nlohmann::json yaml_to_json(std::string_view yaml);

/// docs/api/openapi.yaml as JSON text; it is part of the program.
const std::string& openapi_json();

struct document_options {
  /// Why no traffic should be sent here; no error: it is ready. Called on I/O threads.
  std::function<caf::error()> not_ready;
  /// Serves `/` too: a page that says what this is, until there is a web app there.
  bool welcome = true;
};

/// GET /healthz, /readyz, /openapi.json, /docs and, if asked, /.
void add_document_routes(router& routes, document_options options);

} // namespace troupe::gateway
