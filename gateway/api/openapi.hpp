// The API's description as the node serves it. Pure.
#pragma once

#include <nlohmann/json.hpp>

#include <string>
#include <string_view>

namespace troupe::gateway {

/// YAML as JSON, by YAML's core schema: plain scalars become null, booleans and numbers where they
/// look like them. Throws YAML::Exception.
nlohmann::json yaml_to_json(std::string_view yaml);

/// docs/api/openapi.yaml as JSON text; it is part of the program.
const std::string& openapi_json();

} // namespace troupe::gateway
