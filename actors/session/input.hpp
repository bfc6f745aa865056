// What people and programs send to a session is checked here, and their parameters are merged.
#pragma once

#include "messages/error.hpp"
#include "troupe/v1/conversation.pb.h"

#include <caf/expected.hpp>

#include <cstdint>
#include <string>
#include <string_view>

namespace troupe {

/// Bounds of input. `message_bytes_max` comes from config; the others are the field's own.
struct input_limits {
  std::int64_t message_bytes_max = 1'048'576; // of all parts together
  std::int64_t system_prompt_bytes_max = 131'072;
  std::int64_t params_bytes_max = 65'536;
  std::int64_t tools_bytes_max = 262'144;
  int parts_max = 64;
  int json_depth_max = 32;
  std::size_t title_bytes_max = 1'024;
  std::size_t name_bytes_max = 256; // models, authors, keys, addresses
};

/// True for text that protobuf and JSON take.
bool is_utf8(std::string_view text);
/// The text with each malformed sequence replaced by U+FFFD.
std::string repair_utf8(std::string text);

/// Checks a message before anything is done with it. Errors: `invalid_argument`, `too_large`.
caf::error check_post(const v1::PostMessage& post, const input_limits& limits);

/// Checks the settings of a conversation that is made or changed.
caf::error check_settings(const v1::Conversation& conversation, const input_limits& limits);
caf::error check_update(const v1::UpdateConversation& update, const input_limits& limits);

/// Sampling parameters: empty, or one JSON object without the keys that are the session's own
/// (messages, model, stream, stream_options, tools, functions, n).
caf::error check_params(std::string_view json, const input_limits& limits);

/// Tools: empty, or OpenAI's array of function tools.
caf::error check_tools(std::string_view json, const input_limits& limits);

/// The members of `over` on top of those of `base`; null removes one. Both have been checked; one
/// that is no object counts as empty. Empty if nothing is left.
std::string merge_params(std::string_view base, std::string_view over);

/// The parameters' own limit of the answer's tokens (max_completion_tokens or max_tokens); 0: none.
std::int64_t max_tokens_of(std::string_view params_json);

/// A title of a conversation made from its first message: its first line, at most 60 characters.
std::string title_from(const v1::Message& message);

} // namespace troupe
