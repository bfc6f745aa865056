// The keyring: who holds an API key, from memory where possible.
#pragma once

#include "actors/account/key_cache.hpp"
#include "config/config.hpp"
#include "messages/actor.hpp"
#include "messages/clock.hpp"
#include "messages/freshness.hpp"
#include "messages/interfaces.hpp"

#include <caf/result.hpp>
#include <caf/typed_response_promise.hpp>

#include <functional>
#include <string>
#include <unordered_map>
#include <vector>

namespace troupe {

struct keyring_options {
  store_actor store;
  config::keys_section limits;
  wall_clock_ptr clock = system_clock();
  std::shared_ptr<freshness> fresh = std::make_shared<freshness>(); // of principals
  std::int64_t store_limit_ms = 10'000;                             // of one look-up
  std::function<void(const std::string& id)> tell_revoked; // to other nodes; empty: there are none
};

struct keyring_state {
  static inline const char* name = "keyring";

  explicit keyring_state(keyring_actor::pointer self) : self(self) {}

  void init(keyring_options given);
  caf::result<Principal> authorize(const Authorize& query);
  caf::result<Done> revoke(const RevokeApiKey& command);
  void forget(const KeyRevoked& news);

  struct waiting {
    caf::typed_response_promise<Principal> promise;
    std::string scope;
  };

  static caf::result<Principal> decide(const Principal& principal, const std::string& scope);
  void look_up(const Authorize& query);
  void looked_up(const std::string& hash, std::uint64_t asked_in,
                 const caf::expected<Principal>& answer);

  keyring_actor::pointer self;
  keyring_options options;
  key_cache cache{key_cache::limits{}};
  std::unordered_map<std::string, std::vector<waiting>> asked; // by hash: one look-up each
  std::size_t waiting_count = 0;
  std::uint64_t age = 0; // how often all was forgotten: older answers are not kept
};

/// Answers `Authorize` from its cache; each unknown hash is looked up once, however many ask. A
/// store that is busy or away is `store_unavailable`, never `unauthenticated`. A key revoked here
/// is refused from then on, also by those who kept its answer; one revoked on another node as soon
/// as that is told, and after `limits.cache_ms` in any case.
keyring_actor::behavior_type keyring(self_pointer<keyring_actor, keyring_state> self,
                                     keyring_options options);

} // namespace troupe
