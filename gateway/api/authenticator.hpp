// Who asks: API keys, and the token file of this node's own machine.
#pragma once

#include "gateway/server/exchange.hpp"
#include "gateway/server/kept_answers.hpp"

#include <array>
#include <chrono>
#include <memory>
#include <string>
#include <string_view>

namespace troupe::gateway {

struct authenticator_options {
  keyring_actor keyring;
  std::string node_token; // of the token file; who can read it is this node's operator; empty: none
  bool keys_required = true;              // false: loopback callers need no key (`keys.required`)
  std::shared_ptr<const freshness> fresh; // of the keyring's answers; null: it is asked each time
  kept_probe* probe = nullptr;            // outlives it; may be null
  std::chrono::milliseconds limit{5'000}; // for the keyring's answer
};

/// Scopes of the operator: all.
inline constexpr std::array<std::string_view, 3> operator_scopes{"openai", "api", "admin"};

/// The key of `Authorization: Bearer <key>`, or an empty view.
std::string_view bearer_of(std::string_view authorization) noexcept;

/// SHA-256, 32 bytes.
std::string sha256(std::string_view bytes);

/// True when a caller without a key may be let in: it is on this machine, dialled this machine by
/// a loopback name, and no web page of another origin sent it (DNS rebinding, cross-site requests).
bool is_local_caller(std::string_view remote_address, std::string_view host,
                     std::string_view origin) noexcept;

/// Tells who a request is from. Shared by all shards; what it keeps of the keyring's answers, it
/// keeps for each of them.
class authenticator {
public:
  explicit authenticator(authenticator_options options);

  /// Finds the principal, checks that it has `scope` (openai, api or admin), and sets it on the
  /// exchange. Errors: `unauthenticated`, `forbidden`, or why the keyring could not tell.
  asio::awaitable<caf::expected<Principal>> authorize(exchange& x, std::string scope) const;

  /// The same for a key whose principal is known from a request shortly before, without asking:
  /// null if `authorize` has to be called. Valid until the next call of this shard.
  const Principal* recognise(exchange& x, std::string_view scope) const;

  /// How long the keyring's answers are kept, on top of `keys.cache_ms`.
  static constexpr std::int64_t kept_us = 250'000;

private:
  bool is_node_token(const std::string& key_hash) const noexcept;

  authenticator_options options_;
  mutable kept_answers<Principal> kept_; // by the key's hash
  std::string node_token_hash_;
};

using authenticator_ptr = std::shared_ptr<const authenticator>;

} // namespace troupe::gateway
