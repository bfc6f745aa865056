// The actor that asks models on behalf of conversations.
#pragma once

#include "gateway/upstream/upstreams.hpp"
#include "messages/actor.hpp"
#include "messages/interfaces.hpp"

#include <atomic>
#include <memory>
#include <string>
#include <vector>

namespace troupe::gateway {

/// A place where completions run: a shard and its upstreams.
struct upstream_shard {
  io_shard* shard = nullptr;
  std::shared_ptr<upstreams> calls;
};

struct upstream_service_options {
  std::vector<upstream_shard> shards; // at least one
  tokenizer_actor tokenizer;          // counts what upstreams do not; may be empty
  std::size_t running_max = 50'000;
};

/// The completions that run on one shard.
class completion_runner;

struct upstream_service_state {
  static inline const char* name = "upstream";

  using pointer = self_pointer<upstream_actor, upstream_service_state>;

  ~upstream_service_state();
  void configure(const upstream_service_options& options);
  caf::result<Done> start(const StartCompletion& command, const completion_sink_actor& sink);
  void cancel(const CancelCompletion& command);

  std::vector<std::shared_ptr<completion_runner>> runners;
  std::shared_ptr<std::atomic<std::size_t>> running;
  std::size_t running_max = 0;
  std::size_t next = 0;
};

/// A completion runs on the shard whose thread asks for it, else on the next in turn.
upstream_actor::behavior_type upstream_service(upstream_service_state::pointer self,
                                               upstream_service_options options);

} // namespace troupe::gateway
