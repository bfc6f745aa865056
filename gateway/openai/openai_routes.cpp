#include "gateway/openai/openai_routes.hpp"

#include "gateway/openai/openai_call.hpp"

#include <nlohmann/json.hpp>

namespace troupe::gateway {

namespace {

using nlohmann::json;
using openai::site_ptr;

json model_json(const v1::ModelInfo& model) {
  json out{{"id", model.id()},
           {"object", "model"},
           {"created", model.created_s()},
           {"owned_by", model.owned_by().empty() ? "troupe" : model.owned_by()}};
  if (model.context_window_tokens() > 0)
    out["context_window"] = model.context_window_tokens();
  return out;
}

/// All models, or an error that was answered already.
asio::awaitable<std::optional<ModelList>> list(const openai_options& options, exchange& x) {
  std::string scope{"openai"};
  auto who = co_await options.who->authorize(x, std::move(scope));
  caf::error err;
  if (who) {
    v1::ListModels query;
    *query.mutable_context() = x.context();
    ListModels message{std::move(query)};
    auto models = co_await ask<ModelList>(x.shard(), options.models, options.ask_limit, message);
    if (models)
      co_return std::move(*models);
    err = std::move(models.error());
  } else {
    err = std::move(who.error());
  }
  co_await openai::reply_failure(x, std::move(err));
  co_return std::nullopt;
}

asio::awaitable<void> list_models(site_ptr site, exchange& x) {
  auto models = co_await list(site->options, x);
  if (!models)
    co_return;
  json body{{"object", "list"}, {"data", json::array()}};
  for (const auto& model : (*models)->models())
    body["data"].push_back(model_json(model));
  co_await reply_json(x, 200, body);
}

asio::awaitable<void> get_model(site_ptr site, exchange& x) {
  auto models = co_await list(site->options, x);
  if (!models)
    co_return;
  std::string id{x.param("model")};
  std::vector<std::string> known;
  for (const auto& model : (*models)->models()) {
    if (model.id() == id) {
      auto body = model_json(model);
      co_await reply_json(x, 200, body);
      co_return;
    }
    known.push_back(model.id());
  }
  auto err = openai::unknown_model(id, known);
  co_await openai::reply_failure(x, std::move(err));
}

asio::awaitable<void> serve(site_ptr site, exchange& x, const openai::operation& what) {
  openai::call one{std::move(site), x, what};
  co_await one.serve();
}

} // namespace

void add_openai_routes(router& routes, openai_options options) {
  auto shared = std::make_shared<openai::openai_site>(std::move(options));
  auto with = [&](std::string name) {
    route_options route;
    route.body_bytes_max = shared->options.body_bytes_max;
    route.name = std::move(name);
    route.openai_errors = true;
    return route;
  };
  auto add = [&](std::string_view path, const openai::operation& what) {
    routes.add(
        "POST", path, [shared, &what](exchange& x) { return serve(shared, x, what); },
        with(std::string{path}));
  };
  add("/v1/chat/completions", openai::chat);
  add("/v1/completions", openai::completion);
  add("/v1/embeddings", openai::embedding);
  if (shared->options.moderation)
    routes.add(
        "POST", "/v1/moderations", [shared](exchange& x) { return openai::moderations(shared, x); },
        with("/v1/moderations"));
  routes.add(
      "GET", "/v1/models", [shared](exchange& x) { return list_models(shared, x); },
      with("/v1/models"));
  // Names of models hold slashes: org/model.
  routes.add(
      "GET", "/v1/models/{model*}", [shared](exchange& x) { return get_model(shared, x); },
      with("/v1/models/{model}"));
}

} // namespace troupe::gateway
