// The configuration as people and programs read it. Secrets never come out.
#pragma once

#include "config/load.hpp"
#include "config/table.hpp"

#include <nlohmann/json_fwd.hpp>

#include <string>

namespace troupe::config {

/// A text as it may be shown: whole secrets as ***, URLs without their password.
std::string redacted(secrecy secret, const std::string& text);

/// The effective values as YAML that loads again (but for the secrets). With `where`, each line
/// says where its value comes from.
std::string to_yaml(const node_config& config, const origins* where = nullptr);

/// {"gateway":{...},"upstreams":[...],...}.
nlohmann::json to_json(const node_config& config);

/// troupe.yaml as it is shipped: every key with its default, unit and meaning.
std::string sample_yaml();

/// The table for people: a key a line, with type, default, limits and meaning.
std::string keys_text();

/// [{"key","type","unit","default","limits","secret","reloadable","doc","variable"}].
nlohmann::json keys_json();

} // namespace troupe::config
