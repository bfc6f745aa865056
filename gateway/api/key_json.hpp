// API keys: between the REST API's JSON and the payloads.
#pragma once

#include "messages/types.hpp"

#include <caf/expected.hpp>
#include <nlohmann/json.hpp>

#include <cstdint>
#include <string_view>

namespace troupe::gateway {

/// Neither the hash nor the secret is ever in it.
nlohmann::json to_json(const v1::ApiKey& key);
nlohmann::json to_json(const v1::ApiKeyPage& page);

/// {"name", "scopes"?: [openai, api, admin], "expires_in_s"?}. Errors name the field.
caf::expected<v1::CreateApiKey> read_create_key(std::string_view body, std::int64_t now_us);

} // namespace troupe::gateway
