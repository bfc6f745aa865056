// Posting messages, and reading and stopping the turns that answer them.
#include "gateway/api/api_options.hpp"
#include "gateway/api/base64.hpp"
#include "gateway/api/json_reader.hpp"
#include "gateway/api/turn_replies.hpp"
#include "messages/id.hpp"

#include <nlohmann/json.hpp>

namespace troupe::gateway {

namespace {

bool wants_events(const exchange& x) {
  return x.header("accept").find("text/event-stream") != std::string_view::npos;
}

std::unique_ptr<turn_read> open_turn(const api_request& r, std::string_view conversation_id,
                                     std::string_view turn_id, std::string_view after_call = {}) {
  auto read = std::make_unique<turn_read>();
  read->feed = turn_feed::open(r.x.shard(), r.api->region, conversation_id, turn_id,
                               r.api->backlog_bytes_max);
  read->reading = turn_reading{after_call};
  return read;
}

/// The command of a POST.
caf::expected<v1::PostMessage> read_post_request(const api_request& r) {
  if (!is_id(r.x.param("id")))
    return no_such_conversation();
  if (auto err = check_content_type(r.x))
    return err;
  auto key = r.x.header("idempotency-key");
  if (auto err = check_idempotency_key(key))
    return err;
  auto command = read_post(r.x.body(), r.api->limits);
  if (!command)
    return command;
  *command->mutable_context() = r.context;
  command->set_conversation_id(std::string{r.x.param("id")});
  // A digest: keys of different callers never meet, and the store keeps 255 bytes.
  if (!key.empty()) {
    auto digest = sha256(
        fmt::format("{}\n{}\n{}", r.context.principal_id(), command->conversation_id(), key));
    command->set_dedupe_key("api:" + to_base64(digest));
  }
  return command;
}

/// Posts the command and subscribes to its turn; null when the request is answered already.
asio::awaitable<std::unique_ptr<turn_read>> begin_turn(api_request& r) {
  std::unique_ptr<turn_read> none;
  auto wait = read_query_flag("wait", r.x.query("wait"), true);
  auto command = wait ? read_post_request(r) : caf::expected<v1::PostMessage>{wait.error()};
  if (!command) {
    co_await reply_error(r.x, command.error());
    co_return none;
  }
  // Tool results go on with a turn that was read already, up to the calls.
  std::string after_call;
  if (command->kind() == v1::POST_KIND_TOOL_RESULTS)
    after_call = command->parts(0).tool_result().call_id();
  PostMessage message{std::move(*command)};
  auto answer = co_await ask<TurnAccepted>(r.x.shard(), r.api->region, r.api->request_limit,
                                           std::move(message));
  if (!answer) {
    co_await reply_error(r.x, answer.error());
    co_return none;
  }
  const v1::TurnAccepted& accepted = **answer;
  r.x.note("turn", accepted.turn_id());
  if (!*wait) {
    co_await reply_json(r.x, 202, to_json(accepted));
    co_return none;
  }
  auto read = open_turn(r, accepted.conversation_id(), accepted.turn_id(), after_call);
  read->accepted = std::make_unique<v1::TurnAccepted>(accepted);
  auto context = r.context;
  auto turn = co_await read->feed->subscribe(std::move(context), 0, r.api->request_limit);
  if (turn)
    co_return read;
  co_await reply_error(r.x, turn.error());
  co_return none;
}

asio::awaitable<void> post_message(api_request r) {
  auto read = co_await begin_turn(r);
  if (read && wants_events(r.x))
    send_events(r, std::move(*read));
  else if (read)
    co_await send_whole(r, *read);
}

caf::error no_such_turn() {
  return make_error(ec::not_found, "there is no such turn in this conversation");
}

/// Not an error once both ids of the path can be ids.
caf::error check_turn_ids(const exchange& x) {
  if (!is_id(x.param("id")))
    return no_such_conversation();
  if (!is_id(x.param("turn")))
    return no_such_turn();
  return {};
}

/// Subscribes to the turn of the path; null when the request is answered already.
asio::awaitable<std::unique_ptr<turn_read>> take_up_turn(api_request& r) {
  std::unique_ptr<turn_read> none;
  auto err = check_turn_ids(r.x);
  std::int64_t after = 0;
  if (!err) {
    auto seq = read_event_id(r.x.header("last-event-id"), r.x.param("turn"));
    if (seq)
      after = *seq;
    else
      err = std::move(seq.error());
  }
  if (err) {
    co_await reply_error(r.x, err);
    co_return none;
  }
  auto read = open_turn(r, r.x.param("id"), r.x.param("turn"));
  auto context = r.context;
  auto turn = co_await read->feed->subscribe(std::move(context), after, r.api->request_limit);
  if (turn)
    co_return read;
  co_await reply_error(r.x, turn.error());
  co_return none;
}

asio::awaitable<void> read_events(api_request r) {
  auto read = co_await take_up_turn(r);
  if (read)
    send_events(r, std::move(*read));
}

/// The turn as the store has it: its events are not wanted.
asio::awaitable<void> get_turn(api_request r) {
  if (auto err = check_turn_ids(r.x)) {
    co_await reply_error(r.x, err);
    co_return;
  }
  v1::GetConversation whose;
  *whose.mutable_context() = r.context;
  whose.set_conversation_id(std::string{r.x.param("id")});
  GetConversation question{std::move(whose)};
  auto own = co_await ask<Conversation>(r.x.shard(), r.api->region, r.api->request_limit,
                                        std::move(question));
  if (!own) {
    co_await reply_error(r.x, own.error());
    co_return;
  }
  v1::GetTurn query;
  *query.mutable_context() = r.context;
  query.set_turn_id(std::string{r.x.param("turn")});
  GetTurn message{std::move(query)};
  auto turn =
      co_await ask<Turn>(r.x.shard(), r.api->store, r.api->request_limit, std::move(message));
  if (turn && (*turn)->conversation_id() != r.x.param("id"))
    turn = no_such_turn();
  if (!turn)
    co_await reply_error(r.x, turn.error());
  else
    co_await reply_json(r.x, 200, to_json(**turn));
}

asio::awaitable<void> stop_turn(api_request r) {
  if (auto err = check_turn_ids(r.x)) {
    co_await reply_error(r.x, err);
    co_return;
  }
  v1::StopTurn command;
  *command.mutable_context() = r.context;
  command.set_conversation_id(std::string{r.x.param("id")});
  command.set_turn_id(std::string{r.x.param("turn")});
  StopTurn message{std::move(command)};
  auto turn =
      co_await ask<Turn>(r.x.shard(), r.api->region, r.api->request_limit, std::move(message));
  if (!turn)
    co_await reply_error(r.x, turn.error());
  else
    co_await reply_json(r.x, 200, to_json(**turn));
}

} // namespace

void add_turn_routes(router& routes, const api_options_ptr& api) {
  auto add = [&](const char* method, const char* pattern, api_handler handle) {
    routes.add(method, pattern, guarded(api, "api", handle));
  };
  add("POST", "/api/v1/conversations/{id}/messages", post_message);
  add("GET", "/api/v1/conversations/{id}/turns/{turn}", get_turn);
  add("GET", "/api/v1/conversations/{id}/turns/{turn}/events", read_events);
  add("POST", "/api/v1/conversations/{id}/turns/{turn}/stop", stop_turn);
}

} // namespace troupe::gateway
