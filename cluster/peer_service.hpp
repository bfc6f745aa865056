// What this node does for the others: passes what a link brings on to whom it is for.
#pragma once

#include "cluster/tools/tool_places.hpp"
#include "messages/actor.hpp"
#include "messages/clock.hpp"
#include "messages/interfaces.hpp"

#include <functional>
#include <memory>

namespace troupe {

struct peer_service_options {
  actor_host host;
  shard_region_actor region;
  membership_actor membership;
  keyring_actor keyring;               // told of keys that others revoke
  outbox_actor outbox;                 // told of rows that others wrote
  ruleset_actor lexicons;              // told of changes that others made
  ruleset_actor keyword_sets;          // the same
  tokenizer_actor tokenizer;           // empty: this node has not the role `tools`
  std::shared_ptr<tool_places> places; // of `tokenizer`
  wall_clock_ptr clock = system_clock();
  /// Answers a path of the operators' port, such as /ops/v1/node. May block: it has a thread.
  std::function<v1::NodeReport(const v1::GetNodeReport&)> report;
};

class peer_service_state {
public:
  using pointer = self_pointer<peer_actor, peer_service_state>;
  static inline const char* name = "peer_service";

  explicit peer_service_state(pointer self) : self_(self) {}
  ~peer_service_state();
  void start(peer_service_options options);
  caf::result<RemoteAnswer> serve(const RemoteRequest& request, const turn_sink_actor& sink);

private:
  caf::result<RemoteAnswer> count(const v1::CountTokens& query, std::int64_t limit_ms);
  void key_revoked(const v1::RevokeApiKey& news);
  void outbox_changed(const v1::OutboxChanged& news);
  void rulesets_changed(v1::RulesetKind kind);

  pointer self_;
  peer_service_options options_;
  peer_actor reporter_;
};

peer_actor::behavior_type peer_service(peer_service_state::pointer self,
                                       peer_service_options options);

} // namespace troupe
