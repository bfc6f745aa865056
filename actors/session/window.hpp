// What of a conversation is sent to the model: whole exchanges, the newest ones, as many as fit.
#pragma once

#include "troupe/v1/content.pb.h"

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

namespace troupe {

/// Tokens that OpenAI's chat format adds around a message, and before the reply.
inline constexpr std::int64_t tokens_per_message = 4;
inline constexpr std::int64_t tokens_before_reply = 3;

/// The texts of a message that the model reads, to be counted each by itself. Reasoning is not sent
/// back to a model, so it is not among them.
std::vector<std::string> countable_texts(const v1::Message& message);

/// Tokens of a message beyond its texts: its frame, and its images and files, which no vocabulary
/// counts (an image is 765 tokens, 85 at low detail; audio and files one token every four bytes).
std::int64_t fixed_tokens(const v1::Message& message);

/// What the message costs at most: a byte-pair vocabulary never makes more tokens than bytes.
std::int64_t tokens_at_most(const v1::Message& message);

/// One message, as the window sees it.
struct window_item {
  v1::Role role = v1::ROLE_UNSPECIFIED;
  std::int64_t tokens = 0;
};

struct window_choice {
  bool fits = false;
  std::size_t first = 0;   // the oldest message to send
  std::int64_t tokens = 0; // of all that is sent, fixed ones included
};

/// Chooses the messages to send: from `first` to the end, within `budget` together with `fixed`
/// (the system prompt, tools, and what comes before the reply). The newest exchange (from the
/// newest user message on) is always sent; if it alone is over the budget, `fits` is false. Older
/// exchanges are dropped whole. What stands before the first user message is sent only when
/// `complete`, since it may be the rest of an exchange whose beginning is not in memory.
window_choice choose_window(std::span<const window_item> items, std::int64_t fixed,
                            std::int64_t budget, bool complete);

/// Tokens that a prompt may have: of `window`, or `configured_max` if that is set and less, what is
/// left when the reply's share is taken off. The share is `max_tokens` of the request if it says
/// so, else `reserved`, but not more than half of the window.
std::int64_t prompt_budget(std::int64_t window, std::int64_t configured_max, std::int64_t reserved,
                           std::int64_t max_tokens);

/// Makes messages fit to be sent: without reasoning, without tool calls that never got a result and
/// results without their call (upstreams refuse both), without messages that are empty then, and
/// without what concerns only the store.
void prepare_for_model(std::vector<v1::Message>& messages);

/// The calls of a message that wait for results.
std::vector<v1::ToolCallPart> tool_calls_of(const v1::Message& message);

} // namespace troupe
