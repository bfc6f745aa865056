// Whose conversation a message belongs to, and when two deliveries are the same message. No CAF.
#pragma once

#include "messages/types.hpp"

#include <string>
#include <string_view>

namespace troupe::channels {

/// How the people of a group share the bot's memory.
enum class group_sessions { member, shared };

/// The key of a chat's conversation, one to one with the chat:
/// `channel:account:private:user`, `channel:account:group:G:member:U`, or `channel:account:group:G`
/// when the group shares one. Each component is escaped, so that no two chats collide; one that is
/// then longer than 64 bytes stands as its SHA-256.
std::string session_key(const v1::ReplyAddress& from, group_sessions mode);

/// The same for two deliveries of one message: `channel:account:chat:message id`. Without a message
/// id, a SHA-256 over everything that identifies it (addresses, time, sender, content).
std::string dedupe_key(const v1::InboundMessage& message);

/// The chat's first conversation, derived from its key, so that a message needs no look-up to find
/// it again. `salt` names later ones (after /reset): the same salt is the same conversation. A UUID
/// of version 8. The first one's id is the chat's principal as well: the owner of all of them.
std::string conversation_id_for(std::string_view session_key, std::string_view salt = {});

/// The session key that a later conversation is stored with: a key has one conversation only.
std::string later_session_key(std::string_view session_key, std::string_view salt);

/// Where things sent to the same chat keep their order: channel, account and chat.
std::string chat_key(const v1::ReplyAddress& to);

/// A component of the keys above: `%`, `:`, `~`, `#` and control characters as %XX.
std::string escaped_component(std::string_view text);

} // namespace troupe::channels
