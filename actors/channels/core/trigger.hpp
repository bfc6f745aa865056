// Which messages are meant for the bot. No CAF.
#pragma once

#include "messages/types.hpp"

#include <string>
#include <vector>

namespace troupe::channels {

/// When the bot answers. Private chats need no trigger.
struct trigger_rules {
  bool private_chats = true;
  bool group_chats = true;
  bool mention = true;               // in groups: the bot was mentioned
  std::vector<std::string> prefixes; // in groups: the text begins with one; empty ones are ignored
};

enum class trigger { none, private_chat, mention, prefix };

/// Decides, and takes the prefix (the longest that fits) and white space around the text off the
/// message. A prefix that ends in a letter or digit is a word: `bot` does not fit `bottle`. A
/// command stays whole, so that `/` can be a prefix.
trigger apply_trigger(const trigger_rules& rules, v1::InboundMessage& message);

} // namespace troupe::channels
