// What a node is made of. Only the composition root (cluster/node*.cpp) includes it.
#pragma once

#include "cluster/node.hpp"
#include "gateway/ops/ops_server.hpp"
#include "gateway/server/kept_answers.hpp"
#include "gateway/server/probe.hpp"
#include "gateway/server/server.hpp"
#include "gateway/upstream/upstream_service.hpp"
#include "messages/actor.hpp"
#include "messages/clock.hpp"
#include "messages/freshness.hpp"
#include "messages/interfaces.hpp"
#include "messages/system.hpp"
#include "persistence/database.hpp"

#include <caf/actor_system.hpp>

#include <atomic>
#include <map>
#include <memory>
#include <mutex>
#include <optional>

namespace troupe {

class usage_intake;

struct node::parts {
  parts(config::node_config given, node_callbacks given_callbacks);
  ~parts();

  // cluster/node.cpp: bringing up, in this order. Each throws `node_failure`.
  void start_actors();
  void start_gateway();
  void start_ops();
  void start_guardian();

  // cluster/node_routes.cpp
  gateway::router make_routes();
  channel_actor find_channel(std::string_view channel, std::string_view account) const;

  // cluster/node_ops.cpp
  gateway::ops::hooks ops_hooks();
  nlohmann::json status();
  nlohmann::json upstream_status();

  void drain();
  void close_upstreams();

  config::node_config config;
  node_callbacks callbacks;
  std::int64_t started_us = 0;
  std::atomic<v1::NodePhase> phase{v1::NODE_PHASE_STARTING};
  std::once_flag drained;
  std::string token;
  std::string url;
  std::string ops_url;

  probes actor_probes;
  gateway::gateway_probe http_probe;
  gateway::kept_probe kept;
  system_config actor_config;
  std::optional<caf::actor_system> system;
  actor_host host;
  persistence::database_factory_ptr database;
  std::shared_ptr<const std::atomic<bool>> store_writable; // as its last write said
  std::shared_ptr<usage_intake> usage;
  std::shared_ptr<freshness> keys_fresh = std::make_shared<freshness>();
  std::shared_ptr<freshness> routes_fresh = std::make_shared<freshness>();

  store_actor store;
  keyring_actor keyring;
  ledger_actor ledger;
  tokenizer_actor tokenizer;
  model_router_actor router;
  outbox_actor outbox;
  upstream_actor upstream;
  session_region_actor region;
  std::map<std::string, channel_actor, std::less<>> channels; // "onebot/<account>"
  gateway_actor http_actor;
  guardian_actor guardian_handle;

  std::shared_ptr<gateway::server> http;
  std::vector<gateway::upstream_shard> shards;
  std::unique_ptr<gateway::ops::ops_server> ops;
};

/// Why a node cannot start: a sentence that says what to do.
struct node_failure {
  caf::error error;
};

} // namespace troupe
