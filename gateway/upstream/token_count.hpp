// Usage when the upstream gave none: counted by the tokenizer, and marked as estimated.
#pragma once

#include "gateway/server/io_shard.hpp"
#include "messages/error.hpp"
#include "messages/types.hpp"

#include <string>
#include <string_view>
#include <vector>

namespace troupe::gateway {

/// What a chat's template adds: tokens a message, and before the answer.
inline constexpr std::int64_t tokens_per_message = 3;
inline constexpr std::int64_t tokens_before_answer = 3;

/// The text of every message, one each, in order.
std::vector<std::string> prompt_texts(const v1::StartCompletion& start);

/// Counts the prompt's messages and the answer's text with the model's vocabulary. Without a
/// tokenizer, or when it does not answer, a token is taken to be four bytes.
asio::awaitable<v1::Usage> count_usage(io_shard& shard, const tokenizer_actor& tokenizer,
                                       const v1::Context& context, std::string vocabulary,
                                       std::string model, std::vector<std::string> prompt,
                                       std::string answer);

} // namespace troupe::gateway
