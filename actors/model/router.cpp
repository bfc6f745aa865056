#include "actors/model/router.hpp"

#include "actors/model/routes.hpp"
#include "messages/log.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>

namespace troupe {

namespace {

constexpr std::size_t routes_max =
    10'000; // clients choose the names: the cache starts anew above it
constexpr std::size_t model_bytes_max = 256;

bool own_failure(const v1::ReportOutcome& outcome) {
  auto status = outcome.http_status();
  return !outcome.ok()
         && (status == 0 || status == 408 || status == 425 || status == 429 || status >= 500
             || status < 400);
}

} // namespace

void model_router_state::start(std::shared_ptr<const model_router_options> options) {
  options_ = std::move(options);
  models_ = listed_models(options_->upstreams, options_->models);
  for (const auto& x : options_->upstreams)
    breakers_.try_emplace(x.name, options_->breakers);
  options_->fresh->change(true);
}

bool model_router_state::all_well() const {
  return std::all_of(breakers_.begin(), breakers_.end(),
                     [](const auto& x) { return x.second.well(); });
}

caf::error model_router_state::unknown(const std::string& model) const {
  std::vector<std::string> names;
  for (const auto& x : models_->models())
    names.push_back(x.id());
  auto close = close_names(model, names, 3);
  auto text = model.empty() ? std::string{"name a model"}
                            : fmt::format("no upstream serves the model {}", model);
  if (!close.empty())
    text += fmt::format("; did you mean {}?", fmt::join(close, " or "));
  else if (!names.empty())
    text += fmt::format("; there are {}",
                        fmt::join(names.begin(),
                                  names.begin() + std::min<std::ptrdiff_t>(5, std::ssize(names)),
                                  ", "));
  else if (options_->upstreams.empty())
    text += ": no upstream is configured";
  return make_error(ec::model_not_found, std::move(text));
}

const Route& model_router_state::known_route(const std::string& model) {
  auto at = routes_.find(model);
  if (at != routes_.end())
    return at->second;
  if (routes_.size() >= routes_max)
    routes_.clear();
  v1::Route route;
  for (auto& target : targets_for(options_->upstreams, model))
    *route.add_targets() = std::move(target);
  auto facts = facts_for(options_->models, model);
  route.set_vocabulary(facts.vocabulary);
  route.set_context_window_tokens(facts.context_window_tokens);
  return routes_[model] = Route{std::move(route)};
}

caf::result<Route> model_router_state::route(const GetRoute& query) {
  const auto& model = query->model();
  if (model.empty() || model.size() > model_bytes_max)
    return unknown(model.substr(0, 64));
  const auto& shared = known_route(model);
  const auto& known = *shared;
  if (known.targets().empty())
    return unknown(model);
  auto now_ms = options_->clock->now_us() / 1'000;
  const auto& targets = known.targets();
  bool all_closed = std::all_of(targets.begin(), targets.end(), [&](const auto& target) {
    return breakers_.at(target.deployment()).state(now_ms) == breaker_state::closed;
  });
  if (all_closed)
    return shared;
  v1::Route route;
  route.set_vocabulary(known.vocabulary());
  route.set_context_window_tokens(known.context_window_tokens());
  std::vector<const v1::RouteTarget*> last;
  // A breaker on trial is asked only if it would be tried at once: at the head of the route.
  for (const auto& target : known.targets()) {
    auto& gate = breakers_.at(target.deployment());
    bool in_place = gate.state(now_ms) == breaker_state::half_open
                        ? route.targets().empty() && gate.take(now_ms)
                        : gate.take(now_ms);
    if (in_place)
      *route.add_targets() = target;
    else
      last.push_back(&target);
  }
  for (const auto* target : last)
    *route.add_targets() = *target;
  return Route{std::move(route)};
}

void model_router_state::report(const ReportOutcome& outcome) {
  auto at = breakers_.find(outcome->deployment());
  if (at == breakers_.end() || outcome->error_code() == info(ec::cancelled).name)
    return; // whoever cancelled says nothing about the deployment
  auto now_ms = options_->clock->now_us() / 1'000;
  auto before = at->second.state(now_ms);
  if (own_failure(*outcome))
    at->second.failed(now_ms, outcome->retry_after_ms());
  else
    at->second.succeeded(); // it answers, be it a refusal
  auto after = at->second.state(now_ms);
  if (bool well = all_well(); !well || !options_->fresh->steady())
    options_->fresh->change(well);
  if (before != after)
    log_warn("breaker_changed", {{"deployment", at->first},
                                 {"from", to_string(before)},
                                 {"to", to_string(after)},
                                 {"http_status", outcome->http_status()},
                                 {"error", outcome->error_code()}});
}

model_router_actor::behavior_type
model_router(self_pointer<model_router_actor, model_router_state> self,
             model_router_options options) {
  auto& state = self->state;
  state.start(std::make_shared<const model_router_options>(std::move(options)));
  return {
      [&state](const GetRoute& x) { return state.route(x); },
      [&state](const ReportOutcome& x) { state.report(x); },
      [&state](const ListModels&) { return state.list(); },
  };
}

} // namespace troupe
