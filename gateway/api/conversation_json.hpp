// Conversations, messages, turns and their events: between the REST API's JSON and the payloads.
// No actors and no HTTP here. The shapes are documented in docs/api/openapi.yaml.
#pragma once

#include "messages/types.hpp"

#include <caf/expected.hpp>
#include <nlohmann/json.hpp>

#include <string>
#include <string_view>

namespace troupe::gateway {

/// Sizes that requests may have, in bytes unless the name says otherwise.
struct api_limits {
  std::size_t title_bytes = 512;
  std::size_t model_bytes = 256;
  std::size_t author_bytes = 128;
  std::size_t system_prompt_bytes = 262'144;
  std::size_t params_bytes = 16'384;
  std::size_t tools_bytes = 262'144;
  std::size_t tools_max = 128;
  std::size_t parts_max = 64;
  std::size_t url_bytes = 8'192;
  std::size_t message_bytes = 1'048'576; // text of one message
  std::size_t media_bytes = 15'728'640;  // of one part, decoded
};

// JSON of answers.
nlohmann::json to_json(const v1::Part& part);
nlohmann::json to_json(const v1::Usage& usage);
nlohmann::json to_json(const v1::Failure& failure);
nlohmann::json to_json(const v1::Message& message);
nlohmann::json to_json(const v1::Conversation& conversation);
nlohmann::json to_json(const v1::ConversationPage& page);
nlohmann::json to_json(const v1::MessagePage& page);
nlohmann::json to_json(const v1::Turn& turn);

/// "complete" and the like.
std::string_view name_of(v1::MessageStatus status) noexcept;
std::string_view name_of(v1::TurnStatus status) noexcept;
std::string_view name_of(v1::Role role) noexcept;

/// One event as server-sent events carry it.
struct event_text {
  std::string_view name; // started, delta, tool_call, message, restarted, finished, error
  std::string data;      // JSON
};
event_text to_event(const v1::TurnEvent& event);

/// True for the last event of a turn.
bool ends_turn(const v1::TurnEvent& event) noexcept;

/// `id:` of an event: "<turn id>:<seq>".
std::string event_id(std::string_view turn_id, std::int64_t seq);

/// The seq of a Last-Event-ID; the empty text is 0. Errors: `invalid_argument` when it is none of
/// this turn's.
caf::expected<std::int64_t> read_event_id(std::string_view text, std::string_view turn_id);

// Requests. Errors are `malformed_request` or `invalid_argument` and name the field.
caf::expected<v1::CreateConversation> read_create(std::string_view body, const api_limits& limits);
caf::expected<v1::UpdateConversation> read_update(std::string_view body, const api_limits& limits);
caf::expected<v1::PostMessage> read_post(std::string_view body, const api_limits& limits);

/// Idempotency-Key as it may be: 1 to 200 visible ASCII characters. Empty is none.
caf::error check_idempotency_key(std::string_view key);

} // namespace troupe::gateway
