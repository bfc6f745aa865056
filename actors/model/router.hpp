// The model router: who serves a model, in which order.
#pragma once

#include "actors/model/breaker.hpp"
#include "config/config.hpp"
#include "messages/actor.hpp"
#include "messages/clock.hpp"
#include "messages/freshness.hpp"
#include "messages/interfaces.hpp"

#include <map>
#include <memory>
#include <string>
#include <unordered_map>
#include <vector>

namespace troupe {

struct model_router_options {
  std::vector<config::upstream_section> upstreams; // in order of priority
  std::vector<config::model_section> models;
  wall_clock_ptr clock = system_clock();
  /// Steady while every deployment answers: routes hold, and successes are no news.
  std::shared_ptr<freshness> fresh = std::make_shared<freshness>();
  breaker_limits breakers;
};

class model_router_state {
public:
  static inline const char* name = "model_router";

  void start(std::shared_ptr<const model_router_options> options);
  caf::result<Route> route(const GetRoute& query);
  void report(const ReportOutcome& outcome);
  ModelList list() const { return models_; }

private:
  caf::error unknown(const std::string& model) const;
  const Route& known_route(const std::string& model);
  bool all_well() const;

  std::shared_ptr<const model_router_options> options_;
  ModelList models_;
  std::map<std::string, breaker> breakers_;       // by deployment
  std::unordered_map<std::string, Route> routes_; // by model, in configured order; bounded
};

/// Deployments whose breaker is open come last in a route, in their order: when all are open, all
/// are still tried. A failure counts against a deployment if it is its own (no answer, 408, 425,
/// 429, 5xx); a request it refused for good reason does not.
model_router_actor::behavior_type
model_router(self_pointer<model_router_actor, model_router_state> self,
             model_router_options options);

} // namespace troupe
