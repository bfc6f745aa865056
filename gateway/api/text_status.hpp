// What a service of rulesets works by, as JSON.
#pragma once

#include "troupe/v1/text.pb.h"

#include <nlohmann/json_fwd.hpp>

namespace troupe::gateway {

/// The same of lexicons and of keyword sets, which are named `sets`: as `ModerationStatus` and
/// `KeywordStatus` of docs/api/openapi.yaml.
nlohmann::json text_status_json(const v1::TextServiceStatus& status, const char* sets);

} // namespace troupe::gateway
