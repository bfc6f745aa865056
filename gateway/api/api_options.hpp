// What the REST routes need to work.
#pragma once

#include "gateway/api/authenticator.hpp"
#include "gateway/api/conversation_json.hpp"
#include "gateway/server/router.hpp"

#include <chrono>

namespace troupe::gateway {

struct api_options {
  session_region_actor region;
  store_actor store; // turns are looked up without waking their session
  keyring_actor keyring;
  authenticator_ptr who;
  api_limits limits;
  std::chrono::milliseconds request_limit{10'000}; // for one actor's answer
  std::chrono::milliseconds turn_limit{600'000};   // for a whole answer in one piece
  // Readers of a quiet turn ask this often whether it is still theirs: its session may have died.
  std::chrono::milliseconds quiet_limit{30'000};
  std::size_t backlog_bytes_max = 2'097'152; // of one reader that does not keep up
  moderation_actor moderation = {};
  text_store_actor text_store = {};
  tokenizer_actor tokenizer = {};
  text_actor texts = {};
};

using api_options_ptr = std::shared_ptr<const api_options>;

/// A request whose caller is known and may make it.
struct api_request {
  api_options_ptr api;
  exchange& x;
  v1::Context context; // of the messages sent on its behalf
};

using api_handler = asio::awaitable<void> (*)(api_request);

/// A handler that first finds who asks, and answers for `handle` if they lack `scope`.
handler guarded(api_options_ptr api, std::string scope, api_handler handle);

/// An error unless the body is declared as JSON (or is empty): forms of other sites cannot send it.
caf::error check_content_type(const exchange& x);

/// /api/v1/conversations and below. See docs/api/openapi.yaml.
void add_conversation_routes(router& routes, api_options options);

/// /api/v1/conversations/{id}/messages (POST) and /turns: part of `add_conversation_routes`.
void add_turn_routes(router& routes, const api_options_ptr& api);

/// /api/v1/keys, for scope admin.
void add_key_routes(router& routes, api_options options);

/// /api/v1/moderation/*, for scope admin.
void add_moderation_routes(router& routes, api_options options);
/// /api/v1/tokens and /api/v1/text.
void add_text_routes(router& routes, api_options options);

/// What every id that is none gets.
caf::error no_such_conversation();

} // namespace troupe::gateway
