// Between OneBot's messages and the one shape that all channels share. Pure functions; no CAF.
#pragma once

#include "actors/channels/core/text.hpp"
#include "actors/channels/onebot/protocol.hpp"

namespace troupe::onebot11 {

/// What the segments say. Pictures with a link become images; faces, cards, voice and the like
/// short texts in brackets; mentions of others stay in the text.
struct content {
  channels::part_list parts;
  bool mentions_bot = false;
  std::string quoted_message_id;
};
content read_segments(const segments& message, std::string_view self_id);

/// A message event as every channel's InboundMessage. An anonymous member is a user of its own. A
/// private chat that began in a group has the chat id `user@group`.
v1::InboundMessage inbound_message(const message_event& event, std::string_view self_id,
                                   std::string_view account);

/// One piece of an answer. In groups the first piece quotes the message and mentions its sender.
segments reply_segments(const v1::ReplyAddress& to, std::string text, bool first);
/// The same, of a picture: the peer fetches it from its URL.
segments reply_image(const v1::ReplyAddress& to, std::string url, bool first);

/// The frame that sends them.
std::string send_action(const v1::ReplyAddress& to, const segments& message, std::string_view echo);

} // namespace troupe::onebot11
