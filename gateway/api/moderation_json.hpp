// Moderation as JSON, and what is asked of it.
#pragma once

#include "gateway/server/exchange.hpp"
#include "troupe/v1/text.pb.h"

#include <caf/expected.hpp>
#include <nlohmann/json.hpp>

#include <string_view>

namespace troupe::gateway {

nlohmann::json to_json(const v1::TextModerated& answer);
nlohmann::json to_json(const v1::ModerationHitPage& page);

/// {"text" | "texts", "channel"?, "lexicon"?, "hits_max"?}. Errors name the field.
caf::expected<v1::ModerateText> read_moderate_text(std::string_view body);
/// limit, cursor, from_us, to_us, category, action and conversation_id of the query string.
caf::expected<v1::ListModerationHits> read_hits_query(const exchange& x);

} // namespace troupe::gateway
