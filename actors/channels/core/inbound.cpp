#include "actors/channels/core/inbound.hpp"

#include "actors/channels/core/command.hpp"
#include "actors/channels/core/text.hpp"
#include "messages/id.hpp"

namespace troupe {

using namespace channels;

namespace {

constexpr std::size_t quote_chars_max = 1'000;
constexpr std::size_t turns_kept = 10; // more than a session queues

InboundHandled told(std::string_view text) {
  v1::InboundHandled outcome;
  outcome.set_say(std::string{text});
  return outcome;
}

std::optional<command> command_of(const v1::InboundMessage& message) {
  if (message.parts_size() != 1 || !message.parts(0).has_text())
    return std::nullopt;
  return parse_command(message.parts(0).text().text());
}

// What the quoted message said, before what is said of it.
void add_quote(v1::PostMessage& post, const v1::InboundMessage& message) {
  auto quoted = clipped(trimmed(plain_text(message.quoted_parts())), quote_chars_max);
  if (quoted.empty())
    return;
  std::string text = "> ";
  if (!message.quoted_author().empty())
    text += message.quoted_author() + ": ";
  for (char c : quoted) {
    text += c;
    if (c == '\n')
      text += "> ";
  }
  if (message.parts_size() != 0 && message.parts(0).has_text())
    text += "\n\n" + message.parts(0).text().text();
  if (post.parts_size() != 0 && post.parts(0).has_text()) {
    post.mutable_parts(0)->mutable_text()->set_text(std::move(text));
  } else {
    add_text(*post.mutable_parts(), std::move(text));
    for (int i = post.parts_size() - 1; i > 0; --i)
      post.mutable_parts()->SwapElements(i, i - 1);
  }
  for (const auto& part : message.quoted_parts())
    if (part.has_image())
      *post.add_parts() = part;
}

} // namespace

void inbound_state::start(inbound_options opts) {
  options = std::move(opts);
  random.seed(options.seed != 0 ? options.seed : std::random_device{}());
}

caf::result<InboundHandled> inbound_state::handle(const InboundMessage& message) {
  if (message->parts().empty() && message->quoted_parts().empty())
    return told(help_text());
  if (command_of(*message) == command::help)
    return told(help_text());
  auto key = session_key(message->from(), options.group_sessions);
  auto* known = find(key);
  if (known != nullptr && known->queue.size() >= options.lane_max
      && !std::exchange(known->told_busy, true))
    return told(phrase::busy);
  if (waiting_count >= options.waiting_max
      || (known != nullptr && known->queue.size() >= options.lane_max))
    return make_error(ec::overloaded, "too many messages wait; it was left out");
  auto answer = self->make_response_promise<InboundHandled>();
  chat_of(key).queue.push_back({*message, answer});
  ++waiting_count;
  next(key);
  return answer;
}

inbound_state::chat* inbound_state::find(const std::string& key) {
  auto it = chats.find(key);
  return it == chats.end() ? nullptr : &it->second;
}

inbound_state::chat& inbound_state::chat_of(const std::string& key) {
  auto [it, added] = chats.try_emplace(key);
  if (added) {
    recent.push_front(key);
    it->second.used = recent.begin();
    forget_idle();
  } else {
    recent.splice(recent.begin(), recent, it->second.used);
  }
  return it->second;
}

// Chats with something to do are bounded by `waiting_max`; the rest is a cache.
void inbound_state::forget_idle() {
  auto it = recent.end();
  while (chats.size() > options.chats_max && it != recent.begin()) {
    auto last = std::prev(it);
    const auto& chat = chats.at(*last);
    if (last == recent.begin())
      return;
    if (chat.busy || !chat.queue.empty()) {
      it = last;
      continue;
    }
    chats.erase(*last);
    it = recent.erase(last);
  }
}

void inbound_state::next(const std::string& key) {
  auto& chat = chat_of(key);
  if (chat.busy || chat.queue.empty())
    return;
  chat.busy = true;
  if (chat.conversation_id.empty())
    return look_up(key);
  auto what = command_of(chat.queue.front().message);
  if (what == command::reset)
    return reset(key);
  if (what == command::stop) {
    auto turns = std::exchange(chat.turns, {});
    if (turns.empty())
      turns.emplace_back(); // none since this node started: whatever runs
    return stop(key, std::move(turns), false);
  }
  post(key);
}

// The chat's conversation is the one of its principal that was made last; the first has the id that
// follows from the key, so that it need not exist yet.
void inbound_state::look_up(const std::string& key) {
  v1::ListConversations query;
  auto first = conversation_id_for(key);
  *query.mutable_context() = context(key, find(key)->queue.front().message);
  query.set_owner_id(first);
  query.set_limit(50);
  self->request(options.region, limit(), ListConversations{std::move(query)})
      .then(
          [this, key, first](const ConversationPage& page) {
            auto& chat = chat_of(key);
            const v1::Conversation* newest = nullptr;
            for (const auto& one : page->conversations())
              if (newest == nullptr
                  || std::pair{one.created_us(), one.id()}
                         > std::pair{newest->created_us(), newest->id()})
                newest = &one;
            chat.conversation_id = newest != nullptr ? newest->id() : first;
            chat.busy = false;
            next(key);
          },
          [this, key](const caf::error& err) { failed(key, err); });
}

void inbound_state::post(const std::string& key) {
  auto command = posting(key, find(key)->queue.front().message);
  self->request(options.region, limit(), PostMessage{std::move(command)})
      .then(
          [this, key](const TurnAccepted& accepted) {
            auto& turns = chat_of(key).turns;
            if (!accepted->duplicate())
              turns.push_back(accepted->turn_id());
            if (turns.size() > turns_kept)
              turns.pop_front();
            v1::InboundHandled outcome;
            outcome.set_turn_id(accepted->turn_id());
            outcome.set_duplicate(accepted->duplicate());
            finish(key, outcome);
          },
          [this, key](const caf::error& err) { failed(key, err); });
}

// A reset that is delivered again finds its conversation made, and does nothing.
void inbound_state::reset(const std::string& key) {
  const auto& message = find(key)->queue.front().message;
  v1::CreateConversation command;
  *command.mutable_context() = context(key, message);
  *command.mutable_conversation() = conversation(key, dedupe_key(message));
  auto id = command.conversation().id();
  self->request(options.region, limit(), CreateConversation{std::move(command)})
      .then(
          [this, key](const Conversation& made) {
            auto& chat = chat_of(key);
            chat.conversation_id = made->id();
            chat.turns.clear();
            say(key, phrase::reset_done);
          },
          [this, key](const caf::error& err) {
            if (info(err).code != ec::conflict)
              return failed(key, err);
            v1::InboundHandled outcome;
            outcome.set_duplicate(true);
            finish(key, outcome);
          });
}

// Newest first: stopping one must not let the next one begin.
void inbound_state::stop(const std::string& key, std::deque<std::string> turns, bool stopped) {
  if (turns.empty())
    return say(key, stopped ? phrase::stopped : phrase::nothing_runs);
  auto& chat = chat_of(key);
  v1::StopTurn command;
  *command.mutable_context() = context(key, chat.queue.front().message);
  command.set_conversation_id(chat.conversation_id);
  command.set_turn_id(turns.back());
  turns.pop_back();
  self->request(options.region, limit(), StopTurn{std::move(command)})
      .then(
          [this, key, turns, stopped](const Turn& turn) {
            bool ended = turn->status() == v1::TURN_STATUS_STOPPED;
            stop(key, turns, stopped || ended);
          },
          [this, key, turns, stopped](const caf::error& err) {
            if (info(err).retryable)
              log_warn("channel_stop_failed", {{"session_key", key}, {"error", describe(err)}});
            stop(key, turns, stopped);
          });
}

void inbound_state::say(const std::string& key, std::string_view text) { finish(key, told(text)); }

void inbound_state::finish(const std::string& key, const InboundHandled& outcome) {
  auto& chat = chat_of(key);
  chat.queue.front().answer.deliver(outcome);
  chat.queue.pop_front();
  --waiting_count;
  chat.busy = false;
  chat.told_busy = chat.told_busy && !chat.queue.empty();
  next(key);
}

void inbound_state::failed(const std::string& key, const caf::error& err) {
  auto& head = chat_of(key).queue.front();
  const auto& row = info(err);
  bool again = row.retryable && head.failures < options.retries_max;
  log_event(again ? log_level::info : log_level::warn, "channel_message_not_accepted",
            {{"session_key", key},
             {"code", row.name},
             {"error", describe(err)},
             {"failures", head.failures + 1},
             {"again", again}});
  if (row.code == ec::not_found && head.failures++ == 0) {
    // Deleted meanwhile: the chat may have another.
    chat_of(key).conversation_id.clear();
    chat_of(key).busy = false;
    return next(key);
  }
  if (again) {
    auto wait = options.retry.delay_ms(head.failures++, random);
    retries.emplace(++last_retry, key);
    v1::Tick tick;
    tick.set_id(last_retry);
    self->delayed_send(self, std::chrono::milliseconds{wait}, Tick{std::move(tick)});
    return;
  }
  if (row.retryable)
    return say(key, phrase::busy);
  bool too_long = row.code == ec::too_large || row.code == ec::context_too_long;
  say(key, too_long ? phrase::too_long : phrase::failed);
}

void inbound_state::retry(const Tick& tick) {
  auto node = retries.extract(tick->id());
  if (node.empty())
    return; // of the time before a restart
  chat_of(node.mapped()).busy = false;
  next(node.mapped());
}

v1::Context inbound_state::context(const std::string& key,
                                   const v1::InboundMessage& message) const {
  auto result = message.context();
  if (result.request_id().empty())
    result.set_request_id(new_id(options.clock->now_us()));
  if (!is_traceparent(result.traceparent()))
    result.set_traceparent(new_traceparent());
  result.set_principal_id(conversation_id_for(key));
  return result;
}

v1::Conversation inbound_state::conversation(const std::string& key, std::string_view salt) const {
  v1::Conversation result;
  result.set_id(conversation_id_for(key, salt));
  result.set_owner_id(conversation_id_for(key));
  result.set_session_key(salt.empty() ? key : later_session_key(key, salt));
  result.set_model(options.model);
  result.set_system_prompt(options.system_prompt);
  return result;
}

v1::PostMessage inbound_state::posting(const std::string& key,
                                       const v1::InboundMessage& message) const {
  v1::PostMessage post;
  const auto& id = chats.at(key).conversation_id;
  *post.mutable_context() = context(key, message);
  post.set_conversation_id(id);
  post.set_kind(v1::POST_KIND_MESSAGE);
  *post.mutable_parts() = message.parts();
  add_quote(post, message);
  if (message.from().group())
    post.set_author(message.sender_name().empty() ? message.from().user_id()
                                                  : message.sender_name());
  post.set_dedupe_key(dedupe_key(message));
  *post.mutable_reply_to() = message.from();
  if (id == conversation_id_for(key))
    *post.mutable_create_if_missing() = conversation(key, {});
  return post;
}

with_timer<inbound_actor>::behavior_type inbound(inbound_self self, inbound_options options) {
  self->state.start(std::move(options));
  return {[self](const InboundMessage& message) { return self->state.handle(message); },
          [self](const Tick& tick) { self->state.retry(tick); }};
}

} // namespace troupe
