// Posting messages, and reading and stopping the turns that answer them.
#include "gateway/api/api_options.hpp"
#include "gateway/api/json_reader.hpp"
#include "gateway/api/turn_feed.hpp"
#include "gateway/api/turn_reading.hpp"
#include "messages/id.hpp"

#include <boost/asio/redirect_error.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <nlohmann/json.hpp>

#include <limits>

namespace troupe::gateway {

namespace {

using nlohmann::json;

/// One turn as one request reads it.
struct turn_read {
  std::shared_ptr<turn_feed> feed;
  std::string conversation_id;
  std::string turn_id;
  turn_reading reading;
};

bool wants_events(const exchange& x) {
  return x.header("accept").find("text/event-stream") != std::string_view::npos;
}

json to_json(const v1::TurnAccepted& accepted) {
  return {{"conversation_id", accepted.conversation_id()},
          {"turn_id", accepted.turn_id()},
          {"message_id", accepted.message_id()},
          {"duplicate", accepted.duplicate()}};
}

/// Whether the turn really waits for tool results, now that its newest event is a message with
/// calls. An event that comes meanwhile says no.
asio::awaitable<bool> is_paused(const api_request& r, turn_read& read) {
  auto context = r.context;
  auto seq = read.reading.last_seq();
  auto turn = co_await read.feed->subscribe(std::move(context), seq, r.api->request_limit);
  co_return turn
      && (*turn)->status() == v1::TURN_STATUS_AWAITING_TOOLS&& read.reading.may_be_paused()
      && read.reading.last_seq() == seq;
}

/// Sends the turn's events until it ends or pauses, or the client leaves. The turn goes on then.
asio::awaitable<void> send_events(api_request r, turn_read read,
                                  std::optional<v1::TurnAccepted> accepted) {
  auto stream = co_await r.x.start_events();
  if (accepted)
    stream->send("accepted", dump_json(to_json(*accepted)), event_id(read.turn_id, 0));
  bool checked = false;
  read.feed->deliver_to([&](const v1::TurnEvent& event) {
    checked = false;
    if (read.reading.take(event) && stream->open()) {
      auto text = to_event(event);
      stream->send(text.name, text.data, event_id(read.turn_id, event.seq()));
    }
    if (read.reading.ended() || read.reading.may_be_paused())
      stream->wake();
  });
  bool over = false;
  while (stream->open() && !over) {
    if (read.reading.may_be_paused() && !std::exchange(checked, true)) {
      over = co_await is_paused(r, read);
      if (over) {
        auto text = to_event(pause_event(read.reading));
        stream->send(text.name, text.data, event_id(read.turn_id, read.reading.last_seq()));
      }
    }
    over = over || read.reading.ended();
    if (!over && (checked || !read.reading.may_be_paused()))
      co_await stream->wait();
  }
  read.feed->close();
  if (over)
    co_await stream->finish();
}

/// A whole answer in the making: the turn's messages and its end.
struct gathered {
  json messages = json::array();
  std::optional<v1::TurnEvent> end;

  void take(const v1::TurnEvent& event) {
    if (event.has_restarted())
      messages = json::array();
    else if (event.has_message())
      messages.push_back(gateway::to_json(event.message().message()));
    else if (ends_turn(event))
      end = event;
  }
};

asio::awaitable<void> reply_gathered(api_request r, v1::TurnAccepted accepted, gathered all) {
  auto answer = to_json(accepted);
  answer["messages"] = std::move(all.messages);
  if (all.end->has_finished()) {
    const auto& end = all.end->finished();
    answer["status"] = name_of(end.status());
    if (!end.finish_reason().empty())
      answer["finish_reason"] = end.finish_reason();
    if (end.has_usage())
      answer["usage"] = gateway::to_json(end.usage());
    co_await reply_json(r.x, 200, answer);
    co_return;
  }
  const auto& failure = all.end->failed().failure();
  answer["status"] = "failed";
  answer["error"] = gateway::to_json(failure);
  answer["error"]["request_id"] = r.x.request_id();
  auto status = failure.http_status() >= 400 ? failure.http_status()
                                             : info(ec_from_name(failure.code())).http_status;
  co_await reply_json(r.x, status, answer);
}

/// Waits for the turn's end or pause and answers with all of it.
asio::awaitable<void> send_whole(api_request r, turn_read read, v1::TurnAccepted accepted) {
  gathered all;
  bool left = false;
  bool checked = false;
  auto deadline = std::chrono::steady_clock::now() + r.api->turn_limit;
  asio::steady_timer alarm{r.x.shard().context(), deadline};
  r.x.on_disconnect([&] {
    left = true;
    alarm.cancel();
  });
  read.feed->deliver_to([&](const v1::TurnEvent& event) {
    checked = false;
    if (read.reading.take(event))
      all.take(event);
    if (read.reading.ended() || read.reading.may_be_paused())
      alarm.cancel();
  });
  while (!all.end && !left && std::chrono::steady_clock::now() < deadline) {
    if (read.reading.may_be_paused() && !std::exchange(checked, true)) {
      auto paused = co_await is_paused(r, read);
      if (paused)
        all.end = pause_event(read.reading);
      continue;
    }
    boost::system::error_code ignored;
    co_await alarm.async_wait(asio::redirect_error(asio::use_awaitable, ignored));
  }
  r.x.on_disconnect({});
  read.feed->close();
  if (left)
    co_return;
  if (!all.end) {
    auto err = make_error(ec::deadline_exceeded,
                          "the answer takes longer than one request may; it goes on: read "
                          "/api/v1/conversations/"
                              + read.conversation_id + "/turns/" + read.turn_id + "/events");
    co_await reply_error(r.x, err);
    co_return;
  }
  co_await reply_gathered(std::move(r), std::move(accepted), std::move(all));
}

/// The command of a POST, but for what the conversation adds.
caf::expected<v1::PostMessage> read_post_request(const api_request& r) {
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
  // Keys of different callers never meet.
  if (!key.empty())
    command->set_dedupe_key(
        fmt::format("api:{}:{}:{}", r.context.principal_id(), command->conversation_id(), key));
  return command;
}

asio::awaitable<void> answer_post(api_request r, v1::TurnAccepted accepted,
                                  std::string after_message) {
  turn_read read{
      turn_feed::open(r.x.shard(), r.api->region, accepted.conversation_id(), accepted.turn_id()),
      accepted.conversation_id(), accepted.turn_id(), turn_reading{std::move(after_message)}};
  auto context = r.context;
  auto turn = co_await read.feed->subscribe(std::move(context), 0, r.api->request_limit);
  if (!turn)
    co_await reply_error(r.x, turn.error());
  else if (wants_events(r.x))
    co_await send_events(std::move(r), std::move(read), std::move(accepted));
  else
    co_await send_whole(std::move(r), std::move(read), std::move(accepted));
}

asio::awaitable<void> post_message(api_request r) {
  auto wait = read_query_flag("wait", r.x.query("wait"), true);
  auto command = wait ? read_post_request(r) : caf::expected<v1::PostMessage>{wait.error()};
  if (!command) {
    co_await reply_error(r.x, command.error());
    co_return;
  }
  auto found = co_await load_own(r, command->conversation_id());
  if (!found) {
    co_await reply_error(r.x, found.error());
    co_return;
  }
  // Tool results go on with a turn whose first part was read already, up to the calls.
  std::string after_message;
  if (command->kind() == v1::POST_KIND_TOOL_RESULTS)
    after_message = command->parent_id().empty() ? (*found)->leaf_id() : command->parent_id();
  PostMessage message{std::move(*command)};
  auto answer = co_await ask<TurnAccepted>(r.x.shard(), r.api->region, r.api->request_limit,
                                           std::move(message));
  if (!answer) {
    co_await reply_error(r.x, answer.error());
    co_return;
  }
  v1::TurnAccepted accepted = **answer;
  r.x.note("turn", accepted.turn_id());
  if (*wait)
    co_await answer_post(std::move(r), std::move(accepted), std::move(after_message));
  else
    co_await reply_json(r.x, 202, to_json(accepted));
}

/// The caller's conversation, for a path that also names a turn.
asio::awaitable<caf::expected<Conversation>> load_for_turn(const api_request& r) {
  if (!is_id(r.x.param("turn")))
    co_return make_error(ec::not_found, "no such turn");
  std::string id{r.x.param("id")};
  auto found = co_await load_own(r, std::move(id));
  co_return found;
}

asio::awaitable<void> read_events(api_request r) {
  auto found = co_await load_for_turn(r);
  if (!found) {
    co_await reply_error(r.x, found.error());
    co_return;
  }
  std::string id{r.x.param("id")};
  std::string turn_id{r.x.param("turn")};
  auto after = read_event_id(r.x.header("last-event-id"), turn_id);
  if (!after) {
    co_await reply_error(r.x, after.error());
    co_return;
  }
  turn_read read{turn_feed::open(r.x.shard(), r.api->region, id, turn_id), id, turn_id,
                 turn_reading{}};
  auto context = r.context;
  auto turn = co_await read.feed->subscribe(std::move(context), *after, r.api->request_limit);
  if (!turn)
    co_await reply_error(r.x, turn.error());
  else
    co_await send_events(std::move(r), std::move(read), std::nullopt);
}

/// The turn as it is now, without waiting for any of its events.
asio::awaitable<void> get_turn(api_request r) {
  std::string id{r.x.param("id")};
  auto found = co_await load_for_turn(r);
  if (!found) {
    co_await reply_error(r.x, found.error());
    co_return;
  }
  std::string turn_id{r.x.param("turn")};
  auto feed = turn_feed::open(r.x.shard(), r.api->region, id, turn_id);
  auto context = r.context;
  auto turn = co_await feed->subscribe(std::move(context), std::numeric_limits<std::int64_t>::max(),
                                       r.api->request_limit);
  feed->close();
  if (!turn)
    co_await reply_error(r.x, turn.error());
  else
    co_await reply_json(r.x, 200, gateway::to_json(**turn));
}

asio::awaitable<void> stop_turn(api_request r) {
  std::string id{r.x.param("id")};
  auto found = co_await load_for_turn(r);
  if (!found) {
    co_await reply_error(r.x, found.error());
    co_return;
  }
  v1::StopTurn command;
  *command.mutable_context() = r.context;
  command.set_conversation_id(std::move(id));
  command.set_turn_id(std::string{r.x.param("turn")});
  StopTurn message{std::move(command)};
  auto turn =
      co_await ask<Turn>(r.x.shard(), r.api->region, r.api->request_limit, std::move(message));
  if (!turn)
    co_await reply_error(r.x, turn.error());
  else
    co_await reply_json(r.x, 200, gateway::to_json(**turn));
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
