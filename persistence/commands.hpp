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
#include "troupe/v1/text.pb.h"

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
/// Bounds of rulesets: so many of a kind, items of one, bytes of an item's key and body.
inline constexpr int rulesets_max = 64;
inline constexpr std::int64_t ruleset_items_max = 200'000;
inline constexpr std::size_t item_key_bytes_max = 128;
inline constexpr std::size_t item_body_bytes_max = 262'144;
/// So many versions of a ruleset are kept; what only older ones had is forgotten.
inline constexpr std::int64_t ruleset_versions_kept = 1'000;
inline constexpr std::int64_t moderation_hits_kept_us = 90LL * 24 * 3'600 * 1'000'000;
inline constexpr std::int64_t keyword_counts_kept_us = 40LL * 24 * 3'600 * 1'000'000;
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

// Rulesets. What an item is, only the service that owns the kind knows: here it is a key and a
// text. A change is one version; one that changes nothing makes none. Versions that a ruleset never
// had (or has no more) are `not_found`.
v1::Ruleset create_ruleset(database&, const v1::CreateRuleset&, const command_env&);
v1::Ruleset update_ruleset(database&, const v1::UpdateRuleset&, const command_env&);
v1::Done delete_ruleset(database&, const v1::DeleteRuleset&, const command_env&);
v1::Ruleset get_ruleset(database&, const v1::GetRuleset&, const command_env&);
v1::RulesetList list_rulesets(database&, const v1::ListRulesets&, const command_env&);
v1::RulesetChanged change_ruleset(database&, const v1::ChangeRuleset&, const command_env&);
v1::RulesetChanged restore_ruleset(database&, const v1::RestoreRuleset&, const command_env&);
v1::RulesetItemPage list_ruleset_items(database&, const v1::ListRulesetItems&, const command_env&);
v1::RulesetVersionPage list_ruleset_versions(database&, const v1::ListRulesetVersions&,
                                             const command_env&);
v1::RulesetDiff diff_ruleset(database&, const v1::DiffRuleset&, const command_env&);

// What moderation found, and how often keywords came.
v1::Done record_moderation_hits(database&, const v1::RecordModerationHits&, const command_env&);
v1::ModerationHitPage list_moderation_hits(database&, const v1::ListModerationHits&,
                                           const command_env&);
v1::Done save_keyword_counts(database&, const v1::SaveKeywordCounts&, const command_env&);
v1::KeywordCounts load_keyword_counts(database&, const v1::LoadKeywordCounts&, const command_env&);

/// Erases what has outlived its time, a bounded amount a call; returns how many rows.
std::int64_t purge_expired(database&, const command_env&);

} // namespace troupe::persistence
