// What this node does for the others: passes what a link brings on to whom it is for.
#pragma once

#include "messages/actor.hpp"
#include "messages/interfaces.hpp"

#include <functional>

namespace troupe {

struct peer_service_options {
  actor_host host;
  shard_region_actor region;
  membership_actor membership;
  tokenizer_actor tokenizer; // empty: this node has not the role `tools`
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

  pointer self_;
  peer_service_options options_;
  peer_actor reporter_;
};

peer_actor::behavior_type peer_service(peer_service_state::pointer self,
                                       peer_service_options options);

} // namespace troupe
