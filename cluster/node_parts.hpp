// What a node is made of. Only the composition root (cluster/node*.cpp) includes it.
#pragma once

#include "actors/moderation/moderation_probe.hpp"
#include "cluster/link/links.hpp"
#include "cluster/membership/membership.hpp"
#include "cluster/node.hpp"
#include "cluster/sharding/shard_region.hpp"
#include "cluster/tools/tool_places.hpp"
#include "cluster/view_relay.hpp"
#include "gateway/ops/ops_server.hpp"
#include "gateway/server/kept_answers.hpp"
#include "gateway/server/probe.hpp"
#include "gateway/server/server.hpp"
#include "gateway/upstream/upstream_service.hpp"
#include "messages/actor.hpp"
#include "messages/clock.hpp"
#include "messages/freshness.hpp"
#include "messages/interfaces.hpp"
#include "messages/serving_lease.hpp"
#include "messages/system.hpp"
#include "messages/text_guard.hpp"
#include "persistence/database.hpp"

#include <caf/actor_system.hpp>

#include <atomic>
#include <future>
#include <map>
#include <memory>
#include <mutex>
#include <optional>

namespace troupe {

class usage_intake;
struct session_options;
namespace keywords {
class live_rules;
class rule_usage;
} // namespace keywords

struct node::parts {
  parts(config::node_config given, node_callbacks given_callbacks);
  ~parts();

  // Bringing up, in this order. Each throws `node_failure`.
  void start_actors();
  void start_tools(); // cluster/node_tools.cpp
  void start_text();  // cluster/node_text.cpp
  // cluster/node_moderation.cpp
  void start_moderation();
  void wait_for_lexicons();
  // cluster/node_keywords.cpp
  void start_keywords();
  void wait_for_keywords();
  void add_keyword_stage(session_options& sessions) const;
  void start_texts();  // cluster/node_texts.cpp
  void join_cluster(); // cluster/node_cluster.cpp
  void start_gateway();
  void start_links(); // cluster/node_cluster.cpp
  void start_ops();
  void start_guardian();

  // cluster/node_cluster.cpp
  void start_region(const session_options& sessions);
  void change_state(v1::NodeState state);
  void leave_cluster(std::int64_t deadline_us);
  bool has_role(std::string_view role) const;
  std::int64_t current_incarnation() const;
  nlohmann::json cluster_status();
  nlohmann::json shard_status();
  v1::NodeReport report(const v1::GetNodeReport& query) const;
  std::optional<gateway::ops::forwarded> report_of(const std::string& name, const std::string& path,
                                                   bool post);

  // cluster/node_routes.cpp
  gateway::router make_routes();
  channel_actor find_channel(std::string_view channel, std::string_view account) const;

  // cluster/node_ops.cpp
  gateway::ops::hooks ops_hooks();
  nlohmann::json status();
  nlohmann::json tool_status() const; // cluster/node_tools.cpp
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
  std::shared_ptr<const std::atomic<std::uint64_t>> fenced_writes;
  std::shared_ptr<usage_intake> usage;
  std::shared_ptr<freshness> keys_fresh = std::make_shared<freshness>();
  std::shared_ptr<freshness> routes_fresh = std::make_shared<freshness>();

  store_actor store;
  keyring_actor keyring;
  ledger_actor ledger;
  tokenizer_actor tokenizer;      // this node's own
  tokenizer_actor tokenizer_desk; // what those who count use: here, or at another node
  text_store_actor text_store;    // the store, as the text services see it
  moderation_actor moderation;
  keywords_actor keywords;
  std::shared_ptr<troupe::keywords::live_rules> keyword_rules;
  std::shared_ptr<troupe::keywords::rule_usage> keyword_usage;
  std::shared_ptr<std::promise<void>> keywords_loaded = std::make_shared<std::promise<void>>();
  text_actor texts;     // tokens and character sets
  text_guard_ptr guard; // of what passes; null: nothing is looked at
  std::shared_ptr<moderation_probe> moderation_counts = std::make_shared<moderation_probe>();
  std::shared_ptr<std::promise<void>> lexicons_loaded = std::make_shared<std::promise<void>>();
  model_router_actor router;
  outbox_actor outbox;
  upstream_actor upstream;
  shard_region_actor region;
  session_region_actor queries;                               // of conversations, without a session
  std::map<std::string, channel_actor, std::less<>> channels; // "onebot/<account>"
  // The cluster.
  std::shared_ptr<link_listener> listener;
  std::string identity;
  authority_actor authority;
  membership_actor membership;
  peer_actor service;
  links_actor links;
  std::shared_ptr<peer_table> peers = std::make_shared<peer_table>();
  std::shared_ptr<tool_places> places; // where tools do their work
  v1::Node self;                       // as the tables have it since it joined
  std::string cluster_id;              // known before the first view comes
  std::shared_ptr<serving_lease> lease = std::make_shared<serving_lease>();
  std::shared_ptr<view_relay> views = std::make_shared<view_relay>();
  std::shared_ptr<membership_probe> member_probe = std::make_shared<membership_probe>();
  std::shared_ptr<shard_probe> shards_probe = std::make_shared<shard_probe>();
  std::shared_ptr<link_probe> links_probe = std::make_shared<link_probe>();

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
