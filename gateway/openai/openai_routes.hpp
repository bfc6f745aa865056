// The OpenAI-compatible API: /v1/chat/completions, /v1/completions, /v1/embeddings, /v1/models,
// /v1/moderations.
#pragma once

#include "gateway/api/authenticator.hpp"
#include "gateway/server/kept_answers.hpp"
#include "gateway/server/router.hpp"
#include "gateway/upstream/upstreams.hpp"
#include "messages/interfaces.hpp"
#include "messages/text_guard.hpp"
#include "persistence/usage_sink.hpp"

#include <chrono>
#include <functional>

namespace troupe::gateway {

struct openai_options {
  authenticator_ptr who;
  model_router_actor models;
  std::shared_ptr<const freshness> models_fresh; // of its routes; null: it is asked each time
  std::shared_ptr<persistence::usage_sink> usage;
  tokenizer_actor tokenizer;   // counts what upstreams do not; may be empty
  text_guard_ptr guard;        // of requests and answers; null: nothing is looked at
  moderation_actor moderation; // for /v1/moderations; may be empty
  /// The upstreams of a shard. Called on the shard's thread; null: none, and requests get a 503.
  std::function<std::shared_ptr<upstreams>(const io_shard&)> upstreams_of;
  /// Why no request may be taken now; no error: they may. Called on I/O threads; may be empty.
  std::function<caf::error()> not_now;
  std::chrono::milliseconds ask_limit{5'000}; // for one actor's answer
  std::int64_t body_bytes_max = 0;            // 0: the gateway's
  std::size_t answer_bytes_max = 67'108'864;  // of an answer that is not streamed
  std::size_t counted_bytes_max = 262'144;    // text of a stream held for counting
  kept_probe* probe = nullptr;                // outlives the server; may be null
};

/// Every answer ends in one line of the ledger; docs/usage.md says what it holds.
void add_openai_routes(router& routes, openai_options options);

} // namespace troupe::gateway
