// API keys over REST, for administrators and `troupe key`.
#include "gateway/api/api_options.hpp"
#include "gateway/api/json_reader.hpp"
#include "gateway/api/key_json.hpp"
#include "messages/id.hpp"

#include <nlohmann/json.hpp>

namespace troupe::gateway {

namespace {

using nlohmann::json;

asio::awaitable<void> create_key(api_request r) {
  auto err = check_content_type(r.x);
  auto command =
      err ? caf::expected<v1::CreateApiKey>{err} : read_create_key(r.x.body(), r.x.started_us());
  if (!command) {
    co_await reply_error(r.x, command.error());
    co_return;
  }
  *command->mutable_context() = r.context;
  CreateApiKey message{std::move(*command)};
  auto made = co_await ask<ApiKeyCreated>(r.x.shard(), r.api->keyring, r.api->request_limit,
                                          std::move(message));
  if (!made) {
    co_await reply_error(r.x, made.error());
    co_return;
  }
  auto answer = to_json((*made)->key());
  answer["secret"] = (*made)->secret();
  co_await reply_json(r.x, 201, answer);
}

asio::awaitable<void> list_keys(api_request r) {
  auto limit = read_query_integer("limit", r.x.query("limit"), 1, 200, 50);
  if (limit && (r.x.query("cursor").size() > 512 || !is_plain_utf8(r.x.query("cursor"))))
    limit = make_error(ec::invalid_argument, "cursor must be the next_cursor of the page before");
  if (!limit) {
    co_await reply_error(r.x, limit.error());
    co_return;
  }
  v1::ListApiKeys query;
  *query.mutable_context() = r.context;
  query.set_limit(static_cast<std::int32_t>(*limit));
  query.set_cursor(std::string{r.x.query("cursor")});
  ListApiKeys message{std::move(query)};
  auto page = co_await ask<ApiKeyPage>(r.x.shard(), r.api->keyring, r.api->request_limit,
                                       std::move(message));
  if (!page)
    co_await reply_error(r.x, page.error());
  else
    co_await reply_json(r.x, 200, to_json(**page));
}

asio::awaitable<void> revoke_key(api_request r) {
  std::string id{r.x.param("id")};
  if (!is_id(id)) {
    auto err = make_error(ec::not_found, "no such key");
    co_await reply_error(r.x, err);
    co_return;
  }
  v1::RevokeApiKey command;
  *command.mutable_context() = r.context;
  command.set_id(id);
  RevokeApiKey message{std::move(command)};
  auto done =
      co_await ask<Done>(r.x.shard(), r.api->keyring, r.api->request_limit, std::move(message));
  if (!done) {
    co_await reply_error(r.x, done.error());
    co_return;
  }
  json answer{{"id", id}, {"revoked", true}};
  co_await reply_json(r.x, 200, answer);
}

} // namespace

void add_key_routes(router& routes, api_options options) {
  auto api = std::make_shared<const api_options>(std::move(options));
  routes.add("POST", "/api/v1/keys", guarded(api, "admin", create_key));
  routes.add("GET", "/api/v1/keys", guarded(api, "admin", list_keys));
  routes.add("DELETE", "/api/v1/keys/{id}", guarded(api, "admin", revoke_key));
}

} // namespace troupe::gateway
