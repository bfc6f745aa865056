// Keywords over REST: what a message would set off, and how often rules answered.
#pragma once

#include "gateway/api/api_options.hpp"

#include <caf/expected.hpp>
#include <nlohmann/json.hpp>

#include <memory>
#include <string_view>

namespace troupe::gateway {

struct keyword_routes {
  keywords_actor service;
  std::chrono::milliseconds limit{60'000}; // for an answer: a set may have to be compiled
};

/// /api/v1/keywords/test, /statistics and /status, for scope admin. See docs/api/openapi.yaml.
void add_keyword_routes(router& routes, keyword_routes keywords, const api_options_ptr& api);

/// {"text", "set"?, "channel"?, "account"?, "chat_id"?, "user_id"?, "group"?, "sender_name"?,
/// "group_name"?, "at_us"?, "limit"?}. Errors name the field.
caf::expected<v1::MatchKeywords> read_match_keywords(std::string_view body);
caf::expected<v1::GetKeywordStatistics> read_statistics_query(const exchange& x);

nlohmann::json to_json(const v1::KeywordsMatched& matched);
nlohmann::json to_json(const v1::KeywordStatistics& statistics);

} // namespace troupe::gateway
