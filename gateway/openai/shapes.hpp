// The JSON that OpenAI's clients expect, written without building a document.
#pragma once

#include "messages/error.hpp"
#include "messages/types.hpp"

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace troupe::gateway::openai {

/// Appends `text` as a JSON string with its quotes. Invalid UTF-8 becomes U+FFFD.
void append_json_string(std::string& out, std::string_view text);

/// What answers of one request have in common.
struct answer_head {
  std::string id;    // chatcmpl-...
  std::string model; // that answers
  std::int64_t created_s = 0;
  bool chat = true; // else the older text completion
};

/// {"prompt_tokens":..,"completion_tokens":..,"total_tokens":..}
void append_usage(std::string& out, const v1::Usage& usage);

/// One event of a stream, `data: {...}` with its empty line. `finish_reason` empty: null. The first
/// chunk of a chat names the role.
void append_chunk(std::string& out, const answer_head& head, std::string_view text,
                  std::string_view finish_reason, bool first);

/// The event that carries the usage and no choices.
void append_usage_chunk(std::string& out, const answer_head& head, const v1::Usage& usage);

inline constexpr std::string_view done_event = "data: [DONE]\n\n";

/// The whole answer.
std::string whole_answer_json(const answer_head& head, std::string_view text,
                              std::string_view finish_reason, const v1::Usage& usage);

/// The answer of /embeddings; as base64 of little-endian floats if asked for.
std::string embeddings_json(std::string_view model, const std::vector<std::vector<float>>& vectors,
                            std::int64_t prompt_tokens, bool as_base64);

/// {"error":{"message","type","param","code"}}; `code` empty: null.
std::string error_json(std::string_view message, std::string_view type, std::string_view code,
                       std::string_view param = {});
std::string error_json(const caf::error& err);

} // namespace troupe::gateway::openai
