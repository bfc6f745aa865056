#include "actors/channels/core/trigger.hpp"

#include "actors/channels/core/command.hpp"
#include "actors/channels/core/text.hpp"

namespace troupe::channels {

namespace {

bool is_word(char c) {
  return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

bool fits(std::string_view text, std::string_view prefix) {
  if (prefix.empty() || !text.starts_with(prefix))
    return false;
  return text.size() == prefix.size() || !is_word(prefix.back()) || !is_word(text[prefix.size()]);
}

// The bytes of the longest prefix that fits; 0: none.
std::size_t prefix_bytes(const trigger_rules& rules, std::string_view text) {
  std::size_t longest = 0;
  for (const auto& prefix : rules.prefixes)
    if (prefix.size() > longest && fits(text, prefix))
      longest = prefix.size();
  return longest;
}

} // namespace

trigger apply_trigger(const trigger_rules& rules, v1::InboundMessage& message) {
  bool group = message.from().group();
  if (!(group ? rules.group_chats : rules.private_chats))
    return trigger::none;
  std::size_t prefix = 0;
  auto& parts = *message.mutable_parts();
  auto first = std::find_if(parts.begin(), parts.end(), [](const auto& x) { return x.has_text(); });
  if (first != parts.end()) {
    std::string text{trimmed(first->text().text())};
    prefix = prefix_bytes(rules, text);
    if (prefix != 0 && !parse_command(text))
      text = std::string{trimmed(std::string_view{text}.substr(prefix))};
    if (text.empty())
      parts.erase(first);
    else
      first->mutable_text()->set_text(std::move(text));
  }
  if (!group)
    return trigger::private_chat;
  if (rules.mention && message.mentions_bot())
    return trigger::mention;
  return prefix != 0 ? trigger::prefix : trigger::none;
}

} // namespace troupe::channels
