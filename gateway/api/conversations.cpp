#include "gateway/api/api_options.hpp"
#include "gateway/api/json_reader.hpp"
#include "messages/id.hpp"

#include <nlohmann/json.hpp>

namespace troupe::gateway {

namespace {

using nlohmann::json;

/// False when the request is answered already.
asio::awaitable<bool> admit(api_options_ptr api, std::string scope, exchange& x) {
  auto who = co_await api->who->authorize(x, std::move(scope));
  if (!who)
    co_await reply_error(x, who.error());
  co_return static_cast<bool>(who);
}

// A stream runs for long: what its coroutines hold counts, so that each step before it is one of
// its own.
asio::awaitable<void> run_guarded(api_options_ptr api, std::string scope, api_handler handle,
                                  exchange& x) {
  bool admitted = co_await admit(api, std::move(scope), x);
  if (!admitted)
    co_return;
  api_request r{std::move(api), x, x.context()};
  co_await handle(std::move(r));
}

asio::awaitable<void> list_conversations(api_request r) {
  v1::ListConversations query;
  *query.mutable_context() = r.context;
  query.set_owner_id(query.context().principal_id());
  auto limit = read_query_integer("limit", r.x.query("limit"), 1, 200, 50);
  caf::error err;
  if (!limit)
    err = limit.error();
  else if (r.x.query("cursor").size() > 512 || !is_plain_utf8(r.x.query("cursor")))
    err = make_error(ec::invalid_argument, "cursor must be the next_cursor of the page before");
  else if (r.x.query("q").size() > 512 || !is_plain_utf8(r.x.query("q")))
    err = make_error(ec::invalid_argument, "q must be UTF-8 text of at most 512 bytes");
  if (err) {
    co_await reply_error(r.x, err);
    co_return;
  }
  query.set_limit(static_cast<std::int32_t>(*limit));
  query.set_cursor(std::string{r.x.query("cursor")});
  query.set_query(std::string{r.x.query("q")});
  ListConversations message{std::move(query)};
  auto page = co_await ask<ConversationPage>(r.x.shard(), r.api->region, r.api->request_limit,
                                             std::move(message));
  if (!page)
    co_await reply_error(r.x, page.error());
  else
    co_await reply_json(r.x, 200, to_json(**page));
}

asio::awaitable<void> create_conversation(api_request r) {
  auto err = check_content_type(r.x);
  auto command =
      err ? caf::expected<v1::CreateConversation>{err} : read_create(r.x.body(), r.api->limits);
  if (!command) {
    co_await reply_error(r.x, command.error());
    co_return;
  }
  *command->mutable_context() = r.context;
  command->mutable_conversation()->set_owner_id(command->context().principal_id());
  CreateConversation message{std::move(*command)};
  auto made = co_await ask<Conversation>(r.x.shard(), r.api->region, r.api->request_limit,
                                         std::move(message));
  if (!made)
    co_await reply_error(r.x, made.error());
  else
    co_await reply_json(r.x, 201, to_json(**made));
}

asio::awaitable<void> get_conversation(api_request r) {
  std::string id{r.x.param("id")};
  if (!is_id(id)) {
    auto err = no_such_conversation();
    co_await reply_error(r.x, err);
    co_return;
  }
  v1::GetConversation query;
  *query.mutable_context() = r.context;
  query.set_conversation_id(std::move(id));
  GetConversation message{std::move(query)};
  auto found = co_await ask<Conversation>(r.x.shard(), r.api->region, r.api->request_limit,
                                          std::move(message));
  if (!found)
    co_await reply_error(r.x, found.error());
  else
    co_await reply_json(r.x, 200, to_json(**found));
}

asio::awaitable<void> update_conversation(api_request r) {
  auto err = check_content_type(r.x);
  auto command =
      err ? caf::expected<v1::UpdateConversation>{err} : read_update(r.x.body(), r.api->limits);
  if (!command) {
    co_await reply_error(r.x, command.error());
    co_return;
  }
  std::string id{r.x.param("id")};
  if (!is_id(id)) {
    auto err = no_such_conversation();
    co_await reply_error(r.x, err);
    co_return;
  }
  *command->mutable_context() = r.context;
  command->set_conversation_id(std::move(id));
  UpdateConversation message{std::move(*command)};
  auto changed = co_await ask<Conversation>(r.x.shard(), r.api->region, r.api->request_limit,
                                            std::move(message));
  if (!changed)
    co_await reply_error(r.x, changed.error());
  else
    co_await reply_json(r.x, 200, to_json(**changed));
}

asio::awaitable<void> delete_conversation(api_request r) {
  std::string id{r.x.param("id")};
  if (!is_id(id)) {
    auto err = no_such_conversation();
    co_await reply_error(r.x, err);
    co_return;
  }
  v1::DeleteConversation command;
  *command.mutable_context() = r.context;
  command.set_conversation_id(id);
  DeleteConversation message{std::move(command)};
  auto done =
      co_await ask<Done>(r.x.shard(), r.api->region, r.api->request_limit, std::move(message));
  if (!done) {
    co_await reply_error(r.x, done.error());
    co_return;
  }
  json answer{{"id", id}, {"deleted", true}};
  co_await reply_json(r.x, 200, answer);
}

/// The query of GET .../messages.
caf::expected<v1::ListMessages> read_message_query(const exchange& x) {
  v1::ListMessages query;
  auto limit = read_query_integer("limit", x.query("limit"), 1, 500, 100);
  if (!limit)
    return std::move(limit.error());
  auto all = read_query_flag("all", x.query("all"), false);
  if (!all)
    return std::move(all.error());
  for (std::string_view name : {"before", "leaf"})
    if (!x.query(name).empty() && !is_id(x.query(name)))
      return make_error(ec::invalid_argument, fmt::format("{} must be the id of a message", name));
  if (*all && !x.query("leaf").empty())
    return make_error(ec::invalid_argument, "leaf must be absent when all is true");
  query.set_limit(static_cast<std::int32_t>(*limit));
  query.set_all_branches(*all);
  query.set_before_id(std::string{x.query("before")});
  query.set_leaf_id(std::string{x.query("leaf")});
  return query;
}

asio::awaitable<void> list_messages(api_request r) {
  auto query = read_message_query(r.x);
  if (!query) {
    co_await reply_error(r.x, query.error());
    co_return;
  }
  std::string id{r.x.param("id")};
  if (!is_id(id)) {
    auto err = no_such_conversation();
    co_await reply_error(r.x, err);
    co_return;
  }
  *query->mutable_context() = r.context;
  query->set_conversation_id(std::move(id));
  ListMessages message{std::move(*query)};
  auto page = co_await ask<MessagePage>(r.x.shard(), r.api->region, r.api->request_limit,
                                        std::move(message));
  if (!page)
    co_await reply_error(r.x, page.error());
  else
    co_await reply_json(r.x, 200, to_json(**page));
}

} // namespace

handler guarded(api_options_ptr api, std::string scope, api_handler handle) {
  return [api = std::move(api), scope = std::move(scope), handle](exchange& x) {
    if (api->who->recognise(x, scope) != nullptr)
      return handle(api_request{api, x, x.context()});
    return run_guarded(api, scope, handle, x);
  };
}

caf::error check_content_type(const exchange& x) {
  auto type = x.header("content-type");
  type = type.substr(0, type.find(';'));
  while (type.ends_with(' '))
    type.remove_suffix(1);
  constexpr std::string_view wanted = "application/json";
  bool good = std::equal(type.begin(), type.end(), wanted.begin(), wanted.end(),
                         [](unsigned char a, unsigned char b) { return std::tolower(a) == b; });
  if (good || (x.body().empty() && type.empty()))
    return {};
  return make_error(ec::malformed_request, "send the header Content-Type: application/json");
}

caf::error no_such_conversation() {
  return make_error(ec::not_found, "there is no such conversation");
}

void add_conversation_routes(router& routes, api_options options) {
  auto api = std::make_shared<const api_options>(std::move(options));
  auto add = [&](const char* method, const char* pattern, api_handler handle) {
    routes.add(method, pattern, guarded(api, "api", handle));
  };
  add("GET", "/api/v1/conversations", list_conversations);
  add("POST", "/api/v1/conversations", create_conversation);
  add("GET", "/api/v1/conversations/{id}", get_conversation);
  add("PATCH", "/api/v1/conversations/{id}", update_conversation);
  add("DELETE", "/api/v1/conversations/{id}", delete_conversation);
  add("GET", "/api/v1/conversations/{id}/messages", list_messages);
  add_turn_routes(routes, api);
}

} // namespace troupe::gateway
