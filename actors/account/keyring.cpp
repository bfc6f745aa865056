#include "actors/account/keyring.hpp"

#include <fmt/format.h>

#include <algorithm>

namespace troupe {

namespace {

caf::error wrong_key() {
  return make_error(ec::unauthenticated, "the API key is wrong, revoked or has expired: make one "
                                         "with `troupe key create`");
}

} // namespace

void keyring_state::init(keyring_options given) {
  options = std::move(given);
  key_cache::limits limits;
  limits.entries_max = static_cast<std::size_t>(options.limits.cache_max);
  limits.kept_us = options.limits.cache_ms * 1'000;
  limits.unknown_kept_us = std::min(limits.unknown_kept_us, limits.kept_us);
  cache = key_cache{limits};
  options.fresh->change(true);
}

caf::result<Principal> keyring_state::decide(const Principal& principal, const std::string& scope) {
  const auto& scopes = principal->scopes();
  if (!scope.empty() && std::find(scopes.begin(), scopes.end(), scope) == scopes.end())
    return make_error(ec::forbidden,
                      fmt::format("the API key {:?} lacks the scope {}", principal->name(), scope));
  return principal;
}

caf::result<Principal> keyring_state::authorize(const Authorize& query) {
  const auto& hash = query->key_hash();
  if (hash.size() != 32) // of SHA-256
    return wrong_key();
  auto found = cache.find(hash, options.clock->now_us());
  if (found.what == key_cache::result::known)
    return decide(Principal{std::move(found.principal)}, query->scope());
  if (found.what == key_cache::result::unknown)
    return wrong_key();
  if (waiting_count >= static_cast<std::size_t>(options.limits.cache_max))
    return make_error(ec::overloaded, "too many keys are being looked up: try again later");
  auto promise = self->make_response_promise<Principal>();
  auto& askers = asked[hash];
  askers.push_back({promise, query->scope()});
  ++waiting_count;
  if (askers.size() == 1)
    look_up(query);
  return promise;
}

void keyring_state::look_up(const Authorize& query) {
  v1::Authorize question;
  // Without the scope, so that one answer serves all of them, and without the deadline of this one
  // asker: others may wait for the same answer.
  question.set_key_hash(query->key_hash());
  question.mutable_context()->set_request_id(query->context().request_id());
  question.mutable_context()->set_traceparent(query->context().traceparent());
  auto hash = query->key_hash();
  self->request(options.store, std::chrono::milliseconds{options.store_limit_ms},
                Authorize{std::move(question)})
      .then([this, hash, now = age](const Principal& answer) { looked_up(hash, now, answer); },
            [this, hash, now = age](const caf::error& error) { looked_up(hash, now, error); });
}

void keyring_state::looked_up(const std::string& hash, std::uint64_t asked_in,
                              const caf::expected<Principal>& answer) {
  auto node = asked.extract(hash);
  if (node.empty())
    return;
  auto now = options.clock->now_us();
  caf::error error;
  if (answer) {
    if (asked_in == age && !cache.put(hash, answer->shared(), now))
      error = wrong_key();
  } else if (info(answer.error()).code == ec::unauthenticated) {
    cache.put_unknown(hash, now);
    error = answer.error();
  } else {
    // Nothing was learnt of the key.
    error = make_error(ec::store_unavailable,
                       "the API key could not be looked up: " + describe(answer.error()));
    if (info(answer.error()).code == ec::overloaded)
      error = answer.error();
  }
  waiting_count -= node.mapped().size();
  for (auto& asker : node.mapped()) {
    if (error) {
      asker.promise.deliver(error);
      continue;
    }
    auto decided = decide(*answer, asker.scope);
    if (decided.flag == caf::rt_error)
      asker.promise.deliver(std::move(decided.err));
    else
      asker.promise.deliver(*answer);
  }
}

caf::result<Done> keyring_state::revoke(const RevokeApiKey& command) {
  auto promise = self->make_response_promise<Done>();
  self->request(options.store, std::chrono::milliseconds{options.store_limit_ms}, command)
      .then(
          [this, promise, id = command->id()](const Done& done) mutable {
            cache.revoke(id);
            options.fresh->change(true);
            if (options.tell_revoked)
              options.tell_revoked(id);
            promise.deliver(done);
          },
          [promise](caf::error& error) mutable { promise.deliver(std::move(error)); });
  return promise;
}

void keyring_state::forget(const KeyRevoked& news) {
  if (news->id().empty()) {
    cache.clear();
    ++age;
  } else {
    cache.revoke(news->id());
  }
  options.fresh->change(true);
}

keyring_actor::behavior_type keyring(self_pointer<keyring_actor, keyring_state> self,
                                     keyring_options options) {
  self->state.init(std::move(options));
  auto* st = &self->state;
  return {
      [st](const Authorize& x) { return st->authorize(x); },
      [self, st](const CreateApiKey& x) { return self->delegate(st->options.store, x); },
      [self, st](const ListApiKeys& x) { return self->delegate(st->options.store, x); },
      [st](const RevokeApiKey& x) { return st->revoke(x); },
      [st](const KeyRevoked& x) { st->forget(x); },
  };
}

} // namespace troupe
