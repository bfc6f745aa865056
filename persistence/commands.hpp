// What the store can be asked, as functions: each does one command or query of troupe.v1 with the
// repositories of one connection, inside the transaction of its caller. They know no backend and
// no actor.
//
// All throw `failure`. A query or command whose context names a principal sees only conversations
// that belong to it or to nobody: others are `not_found`. An admin sees all, as does the node
// itself, whose principal is empty.
#pragma once

#include "persistence/database.hpp"
#include "troupe/v1/store.pb.h"

#include <cstdint>

namespace troupe::persistence {

/// What a command knows besides its text.
struct command_env {
  std::int64_t now_us = 0;
};

/// The same dedupe key within this time is the same turn.
inline constexpr std::int64_t dedupe_window_us = 24LL * 3'600 * 1'000'000;
/// Settled outbox rows are kept for this long.
inline constexpr std::int64_t outbox_kept_us = 7LL * 24 * 3'600 * 1'000'000;
/// A page of messages ends before it grows beyond this.
inline constexpr std::int64_t page_bytes_max = 8 * 1024 * 1024;
inline constexpr std::size_t id_length_max = 64;
inline constexpr std::size_t key_length_max = 255;

// Conversations.
v1::Conversation create_conversation(database&, const v1::CreateConversation&, const command_env&);
v1::Conversation get_conversation(database&, const v1::GetConversation&, const command_env&);
v1::ConversationPage list_conversations(database&, const v1::ListConversations&,
                                        const command_env&);
v1::Conversation update_conversation(database&, const v1::UpdateConversation&, const command_env&);
v1::Done delete_conversation(database&, const v1::DeleteConversation&, const command_env&);
v1::MessagePage list_messages(database&, const v1::ListMessages&, const command_env&);

// Turns. `accept_turn` answers the first turn of a dedupe key or of a turn id; `advance_turn` of a
// turn that ended changes nothing: both say `duplicate` then. (A duplicate with the turn id that
// was sent is a command that was stored before: its answer was lost.) What the turn of
// `advance_turn` leaves out stays as it was; its attempts only grow.
v1::TurnStored accept_turn(database&, const v1::AcceptTurn&, const command_env&);
v1::TurnStored advance_turn(database&, const v1::AdvanceTurn&, const command_env&);
v1::Turn get_turn(database&, const v1::GetTurn&, const command_env&);
v1::TurnPage list_unfinished_turns(database&, const v1::ListUnfinishedTurns&, const command_env&);
v1::SessionLoaded load_session(database&, const v1::LoadSession&, const command_env&);
v1::SessionLoaded load_branch(database&, const v1::LoadBranch&, const command_env&);

// The outbox.
v1::OutboxRows claim_outbox(database&, const v1::ClaimOutbox&, const command_env&);
v1::Done settle_outbox(database&, const v1::SettleOutbox&, const command_env&);

// API keys.
v1::ApiKeyCreated create_api_key(database&, const v1::CreateApiKey&, const command_env&);
v1::ApiKeyPage list_api_keys(database&, const v1::ListApiKeys&, const command_env&);
v1::Done revoke_api_key(database&, const v1::RevokeApiKey&, const command_env&);
v1::Principal authorize(database&, const v1::Authorize&, const command_env&);

// The ledger. The sum and the count are of the whole range, and on the first page only.
v1::Done record_usage(database&, const v1::RecordUsage&, const command_env&);
v1::UsagePage list_usage(database&, const v1::ListUsage&, const command_env&);

/// Erases what has outlived its time, a bounded amount a call; returns how many rows.
std::int64_t purge_expired(database&, const command_env&);

} // namespace troupe::persistence
