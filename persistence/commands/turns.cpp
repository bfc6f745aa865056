#include "persistence/commands/check.hpp"

#include <fmt/format.h>

#include <algorithm>

namespace troupe::persistence {

namespace {

constexpr int load_messages_max = 10'000;

bool ended(v1::TurnStatus status) { return status >= v1::TURN_STATUS_FINISHED; }

bool known(v1::TurnStatus status) {
  return v1::TurnStatus_IsValid(status) && status != v1::TURN_STATUS_UNSPECIFIED;
}

v1::TurnStored stored(const v1::Turn& turn, bool duplicate) {
  v1::TurnStored out;
  out.set_turn_id(turn.id());
  out.set_message_id(turn.message_id());
  out.set_conversation_id(turn.conversation_id());
  out.set_duplicate(duplicate);
  return out;
}

/// The conversation of a new turn, held: made now, if the command brings it.
v1::Conversation conversation_of(database& db, const v1::AcceptTurn& command,
                                 const command_env& env) {
  const auto& id = command.turn().conversation_id();
  if (auto found = db.conversations().hold(id))
    return std::move(*found);
  if (!command.has_create_if_missing())
    throw failure(ec::not_found, fmt::format("there is no conversation {}", id));
  v1::CreateConversation create;
  *create.mutable_context() = command.context();
  *create.mutable_conversation() = command.create_if_missing();
  create.mutable_conversation()->set_id(id);
  if (auto made = add_conversation(db, create, env))
    return std::move(*made);
  // Another node made it meanwhile, unless its session key is what is taken.
  if (auto found = db.conversations().hold(id))
    return std::move(*found);
  throw conversation_taken(id);
}

/// A turn that is there already, as the answer to the command that brings it again.
std::optional<v1::TurnStored> same_turn(database& db, const v1::Turn& turn) {
  auto same = db.turns().find(turn.id());
  if (!same)
    return std::nullopt;
  if (same->conversation_id() != turn.conversation_id())
    throw failure(ec::conflict, fmt::format("the id of turn {} is taken", turn.id()));
  return stored(*same, true);
}

/// The first turn of the command's dedupe key, if it has one within the window.
std::optional<v1::TurnStored> first_turn(database& db, const v1::AcceptTurn& command,
                                         const command_env& env) {
  auto first = db.dedupe().find(command.turn().principal_id(), command.dedupe_key());
  if (!first || first->created_us <= env.now_us - dedupe_window_us)
    return std::nullopt;
  v1::Turn turn;
  turn.set_id(first->turn_id);
  turn.set_message_id(first->message_id);
  turn.set_conversation_id(first->conversation_id);
  return stored(turn, true);
}

/// Adds messages; one that is there already is left as it is, so that a command may be sent again.
/// A parent need not exist yet: it may be the reply of a turn that runs. Returns how many were new.
std::int64_t add_messages(database& db, const v1::Conversation& conversation, const v1::Turn& turn,
                          const google::protobuf::RepeatedPtrField<v1::Message>& messages,
                          const command_env& env) {
  std::int64_t added = 0;
  for (const auto& given : messages) {
    need_id(given.id(), "message.id");
    need_id_or_none(given.parent_id(), "message.parent_id");
    if (given.parent_id() == given.id())
      throw failure(ec::invalid_argument, "a message cannot be its own parent");
    v1::Message message = given;
    message.set_conversation_id(conversation.id());
    if (message.turn_id().empty())
      message.set_turn_id(turn.id());
    if (message.created_us() == 0)
      message.set_created_us(env.now_us);
    message.set_model(storable(message.model()));
    if (db.messages().insert(message, conversation.message_count() + added))
      ++added;
    else if (!db.messages().exists(conversation.id(), message.id()))
      throw failure(ec::conflict, fmt::format("the id of message {} is taken", message.id()));
  }
  return added;
}

bool has(const google::protobuf::RepeatedPtrField<v1::Message>& messages, std::string_view id) {
  return std::any_of(messages.begin(), messages.end(),
                     [&](const v1::Message& x) { return x.id() == id; });
}

/// `message_id` is one that is there.
void check_leaf(database& db, const v1::Conversation& conversation, std::string_view leaf_id,
                std::string_view message_id,
                const google::protobuf::RepeatedPtrField<v1::Message>& messages) {
  need_id_or_none(leaf_id, "leaf_id");
  bool new_one = has(messages, leaf_id);
  if (!leaf_id.empty() && !new_one && leaf_id != conversation.leaf_id() && leaf_id != message_id
      && !db.messages().exists(conversation.id(), leaf_id))
    throw failure(ec::invalid_argument, "leaf_id names no message of this conversation");
}

/// Fills in what a turn of `command` leaves out, and refuses what makes no sense.
v1::Turn checked_turn(const v1::AcceptTurn& command, const command_env& env) {
  auto turn = command.turn();
  need_id(turn.id(), "turn.id");
  need_id(turn.conversation_id(), "turn.conversation_id");
  need_text(command.dedupe_key(), key_length_max, "dedupe_key");
  if (turn.message_id().empty() && command.messages_size() > 0)
    turn.set_message_id(command.messages(command.messages_size() - 1).id());
  need_id(turn.message_id(), "turn.message_id");
  if (turn.status() == v1::TURN_STATUS_UNSPECIFIED)
    turn.set_status(v1::TURN_STATUS_RUNNING);
  if (!known(turn.status()) || ended(turn.status()))
    throw failure(ec::invalid_argument, "a new turn is running or awaits tools");
  if (turn.created_us() == 0)
    turn.set_created_us(env.now_us);
  return turn;
}

void add_outbox(database& db, const v1::AdvanceTurn& command, const command_env& env) {
  for (const auto& given : command.outbox()) {
    auto row = given;
    need_id(row.id(), "outbox.id");
    need_text(row.to().channel(), key_length_max, "outbox.to.channel");
    need_text(row.to().account(), key_length_max, "outbox.to.account");
    if (row.turn_id().empty())
      row.set_turn_id(command.turn().id());
    if (row.turn_id() != command.turn().id())
      throw failure(ec::invalid_argument, "an outbox row belongs to the turn it comes with");
    if (row.status() == v1::OUTBOX_STATUS_UNSPECIFIED)
      row.set_status(v1::OUTBOX_STATUS_PENDING);
    if (row.created_us() == 0)
      row.set_created_us(env.now_us);
    row.set_error(storable(row.error()));
    db.outbox().insert(row);
  }
}

v1::SessionLoaded load(database& db, v1::Conversation conversation, std::string_view leaf_id,
                       std::int32_t max_messages, std::int64_t max_bytes) {
  if (max_messages < 0 || max_messages > load_messages_max)
    throw failure(ec::invalid_argument,
                  fmt::format("max_messages must be from 1 to {}", load_messages_max));
  v1::SessionLoaded out;
  if (!leaf_id.empty()) {
    auto run =
        db.messages().branch(conversation.id(), leaf_id, max_messages == 0 ? 200 : max_messages,
                             max_bytes <= 0 ? page_bytes_max : max_bytes);
    out.set_truncated(run.more);
    std::for_each(run.messages.rbegin(), run.messages.rend(),
                  [&](v1::Message& x) { *out.add_messages() = std::move(x); });
  }
  for (auto& turn : db.turns().unfinished_of(conversation.id()))
    *out.add_unfinished() = std::move(turn);
  *out.mutable_conversation() = std::move(conversation);
  return out;
}

} // namespace

v1::TurnStored accept_turn(database& db, const v1::AcceptTurn& command, const command_env& env) {
  check_claim(db, command.claim(), command.turn().conversation_id());
  auto turn = checked_turn(command, env);
  // Keys are a principal's own: nobody gets the turn of another one by guessing.
  const auto& scope = turn.principal_id();
  const auto& key = command.dedupe_key();
  need_id_or_none(scope, "turn.principal_id");
  // Claimed before anything else is written: another node may be accepting the same key.
  dedupe_entry entry{scope, key, turn.conversation_id(), turn.id(), turn.message_id(), env.now_us};
  if (!key.empty() && !db.dedupe().claim(entry, env.now_us - dedupe_window_us))
    if (auto first = first_turn(db, command, env))
      return *first;
  auto conversation = conversation_of(db, command, env);
  if (!db.turns().insert(turn))
    return same_turn(db, turn).value();
  auto added = add_messages(db, conversation, turn, command.messages(), env);
  check_leaf(db, conversation, command.leaf_id(), {}, command.messages());
  if (command.messages_size() == 0 && !db.messages().exists(conversation.id(), turn.message_id()))
    throw failure(ec::invalid_argument, "turn.message_id names no message of the conversation");
  db.conversations().advance(conversation.id(), command.leaf_id(), added, {}, env.now_us);
  return stored(turn, false);
}

v1::TurnStored advance_turn(database& db, const v1::AdvanceTurn& command, const command_env& env) {
  const auto& given = command.turn();
  need_id(given.id(), "turn.id");
  auto conversation_id = given.conversation_id();
  if (conversation_id.empty()) {
    auto found = db.turns().find(given.id());
    if (!found)
      throw failure(ec::not_found, fmt::format("there is no turn {}", given.id()));
    conversation_id = found->conversation_id();
  }
  check_claim(db, command.claim(), conversation_id);
  auto conversation = db.conversations().hold(conversation_id);
  // Read with the conversation held: until then another node may have advanced it.
  auto before = db.turns().find(given.id());
  if (!before)
    throw failure(ec::not_found, fmt::format("there is no turn {}", given.id()));
  if (before->conversation_id() != conversation_id)
    throw failure(ec::invalid_argument, "the turn belongs to another conversation");
  if (!conversation)
    throw failure(ec::not_found, "the turn's conversation is gone");
  if (ended(before->status()))
    return stored(*before, true);
  if (!known(given.status()))
    throw failure(ec::invalid_argument, "turn.status is missing");
  // What the command leaves out stays as it was.
  auto turn = *before;
  turn.MergeFrom(given);
  turn.set_created_us(before->created_us());
  // Attempts only grow: a late step of an earlier run does not hide a later one.
  turn.set_attempts(std::max(given.attempts(), before->attempts()));
  auto added = add_messages(db, *conversation, turn, command.messages(), env);
  check_leaf(db, *conversation, command.leaf_id(), before->message_id(), command.messages());
  if (turn.reply_id().empty())
    for (const auto& message : command.messages())
      if (message.role() == v1::ROLE_ASSISTANT)
        turn.set_reply_id(message.id());
  if (turn.status() == v1::TURN_STATUS_FINISHED && !has(command.messages(), turn.reply_id())
      && !db.messages().exists(turn.conversation_id(), turn.reply_id()))
    throw failure(ec::invalid_argument, "a finished turn needs its reply");
  if (ended(turn.status()) && turn.finished_us() == 0)
    turn.set_finished_us(env.now_us);
  db.turns().update(turn);
  add_outbox(db, command, env);
  if (command.has_usage()) {
    v1::RecordUsage record;
    *record.add_records() = command.usage();
    record_usage(db, record, env);
  }
  db.conversations().advance(conversation->id(), command.leaf_id(), added,
                             storable(command.title()), env.now_us);
  return stored(turn, false);
}

v1::Turn get_turn(database& db, const v1::GetTurn& query, const command_env&) {
  need_id(query.turn_id(), "turn_id");
  auto found = db.turns().find(query.turn_id());
  if (!found)
    throw failure(ec::not_found, fmt::format("there is no turn {}", query.turn_id()));
  if (!query.context().principal_id().empty())
    need_conversation(db, found->conversation_id(), query.context());
  return std::move(*found);
}

v1::TurnPage list_unfinished_turns(database& db, const v1::ListUnfinishedTurns& query,
                                   const command_env&) {
  auto limit = page_limit(query.limit(), 100, 1'000);
  need_id_or_none(query.after_id(), "after_id");
  v1::TurnPage out;
  auto found = query.has_shard() ? db.turns().unfinished_in(query.shard(), query.after_id(), limit)
                                 : db.turns().unfinished(query.after_id(), limit);
  for (auto& turn : found)
    *out.add_turns() = std::move(turn);
  return out;
}

v1::SessionLoaded load_session(database& db, const v1::LoadSession& query, const command_env&) {
  auto conversation = need_conversation(db, query.conversation_id(), query.context());
  auto leaf = conversation.leaf_id();
  return load(db, std::move(conversation), leaf, query.max_messages(), query.max_bytes());
}

v1::SessionLoaded load_branch(database& db, const v1::LoadBranch& query, const command_env&) {
  auto conversation = need_conversation(db, query.conversation_id(), query.context());
  need_id(query.leaf_id(), "leaf_id");
  if (!db.messages().exists(conversation.id(), query.leaf_id()))
    throw failure(ec::not_found, "leaf_id names no message of this conversation");
  return load(db, std::move(conversation), query.leaf_id(), query.max_messages(),
              query.max_bytes());
}

} // namespace troupe::persistence
