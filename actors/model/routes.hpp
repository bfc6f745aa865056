// Which upstreams serve a model, by configuration alone.
#pragma once

#include "actors/model/catalog.hpp"
#include "config/config.hpp"
#include "troupe/v1/model.pb.h"

#include <string>
#include <string_view>
#include <vector>

namespace troupe {

/// The model of conversations that name none: `session.default_model`, else the first upstream's
/// first name that is no pattern (of `models`, then of `model_map`), else "gpt-4o-mini" if that
/// upstream serves whatever it is asked for, else "demo".
std::string default_model(const config::node_config& config);

/// The targets for a model in the order of configuration. An upstream serves a model that its
/// `model_map` or `models` names, by name or pattern; one without `models` serves every model, or,
/// if it has a `model_map`, those too that it does not map. Upstreams of dialect "demo" serve only
/// what they list, or, if they list nothing, "demo". `model_map` says what the upstream calls it.
std::vector<v1::RouteTarget> targets_for(const std::vector<config::upstream_section>& upstreams,
                                         std::string_view model);

/// The catalog's facts, overridden by the first of `models` that matches.
model_facts facts_for(const std::vector<config::model_section>& models, std::string_view model);

/// The models that can be named: every name in the upstreams' `models` and `model_map` that is no
/// pattern, once each, in order; "demo" for a demo upstream that lists nothing.
v1::ModelList listed_models(const std::vector<config::upstream_section>& upstreams,
                            const std::vector<config::model_section>& models);

/// Up to `count` of the names nearest to `name`, for a message that helps.
std::vector<std::string> close_names(std::string_view name, const std::vector<std::string>& names,
                                     std::size_t count);

} // namespace troupe
