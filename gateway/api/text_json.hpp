// Tokens and character sets: between the REST API's JSON and the payloads. No actors and no HTTP
// here. The shapes are documented in docs/api/openapi.yaml.
#pragma once

#include "messages/types.hpp"

#include <caf/expected.hpp>
#include <nlohmann/json.hpp>

#include <string_view>
#include <variant>

namespace troupe::gateway {

// JSON of requests. Errors: `malformed_request`, and `invalid_argument` that names the field.
using count_request = std::variant<v1::CountTokens, v1::CountChatTokens>;
caf::expected<count_request> read_count_tokens(std::string_view body);
/// Of encode, decode, truncate and split: each takes the fields of its own.
caf::expected<v1::AnalyzeTokens> read_analyze_tokens(std::string_view body, v1::TokenWork work);
caf::expected<v1::ConvertText> read_convert_text(std::string_view body);
caf::expected<v1::DetectText> read_detect_text(std::string_view body);

// JSON of answers. Bytes that are UTF-8 are `text`; others are `data`, in base64.
nlohmann::json to_json(const v1::TokensCounted& counted);
nlohmann::json to_json(const v1::ChatTokensCounted& counted);
nlohmann::json to_json(const v1::TokensAnalyzed& analyzed, const v1::AnalyzeTokens& query);
nlohmann::json to_json(const v1::VocabularyList& list);
nlohmann::json to_json(const v1::TextConverted& converted);
nlohmann::json to_json(const v1::TextDetected& detected);

} // namespace troupe::gateway
