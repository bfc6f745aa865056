// What the commands share: refusals, defaults and page cursors.
#pragma once

#include "persistence/commands.hpp"

#include <optional>
#include <string>
#include <string_view>

namespace troupe::persistence {

/// Throws `invalid_argument` unless `id` has 1 to 64 printable ASCII characters.
void need_id(std::string_view id, std::string_view what);
/// The same for an id that may be empty.
void need_id_or_none(std::string_view id, std::string_view what);
/// Throws `invalid_argument` when the text is longer than `bytes_max`.
void need_short(std::string_view text, std::size_t bytes_max, std::string_view what);
/// Throws `invalid_argument` unless the text is storable and has at most `bytes_max` bytes.
void need_text(std::string_view text, std::size_t bytes_max, std::string_view what);

/// True for what every database takes as a text: UTF-8 without zero bytes.
bool is_storable(std::string_view text);
/// The text, each of its bytes that is not so replaced by U+FFFD. For texts that nobody can be
/// asked to mend: what a peer said, or what was made of a message.
std::string storable(std::string text);
/// `asked`, or `standard` when it is 0; throws `invalid_argument` outside of 1 to `most`.
int page_limit(std::int32_t asked, int standard, int most);

/// Opaque to clients; made of letters, digits, `.` and `-`, or of what `id` is made of.
std::string make_cursor(const page_position& position);
/// None for an empty cursor; throws `invalid_argument` for one that we never made.
std::optional<page_position> read_cursor(std::string_view cursor);

/// The conversation, if it is there and the principal of `context` may see it; `not_found` else.
v1::Conversation need_conversation(database& db, std::string_view id, const v1::Context& context);
/// The same, held until the transaction ends: for who changes it.
v1::Conversation hold_conversation(database& db, std::string_view id, const v1::Context& context);

/// Makes the conversation of a command; none if its id or session key is taken.
std::optional<v1::Conversation>
add_conversation(database& db, const v1::CreateConversation& command, const command_env& env);
/// The refusal of a conversation whose id or session key is taken.
failure conversation_taken(std::string_view id);

/// Every durable write of a session passes here first, within its transaction: a node that was
/// replaced writes nothing. Throws `not_owner`, or `internal` for the claim of another shard.
void check_claim(database& db, const v1::ShardClaim& claim, std::string_view conversation_id);

} // namespace troupe::persistence
