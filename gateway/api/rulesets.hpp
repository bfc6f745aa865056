// Rulesets over REST: lexicons and keyword sets, by one implementation.
#pragma once

#include "gateway/api/api_options.hpp"

#include <chrono>
#include <memory>
#include <string>

namespace troupe::gateway {

struct ruleset_routes {
  std::string prefix; // /api/v1/lexicons
  v1::RulesetKind kind = v1::RULESET_KIND_UNSPECIFIED;
  ruleset_actor service;                    // changes them
  text_store_actor store;                   // they are listed from it
  std::chrono::milliseconds limit{120'000}; // for an answer: an import may have much to store
};

/// The routes at and below `sets.prefix`, for scope admin. See docs/api/openapi.yaml.
void add_ruleset_routes(router& routes, ruleset_routes sets, const api_options_ptr& api);

} // namespace troupe::gateway
