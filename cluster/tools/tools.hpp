// The kinds of tools: for each, its actor's interface and how its messages travel. Another one is
// another struct of this form, and a line each in node_parts.cpp and peer_service.cpp.
#pragma once

#include "messages/interfaces.hpp"

namespace troupe {

/// Counting tokens. Asking twice is counting once more: nothing changes by it.
struct token_counting {
  static inline const std::string name = "tokenizer";
  static inline const char* const desk_name = "tokenizer_desk";
  static inline const char* const calls_name = "tokenizer_calls";
  using handle = tokenizer_actor;
  using query = CountTokens;
  using answer = TokensCounted;

  static std::int64_t bytes(const v1::CountTokens& x) {
    std::int64_t out = 0;
    for (const auto& text : x.texts())
      out += static_cast<std::int64_t>(text.size());
    return out;
  }
  static const v1::Context& context(const v1::CountTokens& x) { return x.context(); }
  /// The other node has another clock: its limit travels with the request instead of a deadline.
  static void put(v1::RemoteRequest& to, const v1::CountTokens& x) {
    *to.mutable_count_tokens() = x;
    to.mutable_count_tokens()->mutable_context()->clear_deadline_us();
  }
  static void put(v1::RemoteAnswer& to, const v1::TokensCounted& x) { *to.mutable_tokens() = x; }
  /// Nothing, if it is no answer to that.
  static const v1::TokensCounted* get(const v1::RemoteAnswer& from, const v1::CountTokens& asked) {
    bool whole = from.has_tokens() && from.tokens().counts_size() == asked.texts_size();
    return whole ? &from.tokens() : nullptr;
  }
};

} // namespace troupe
