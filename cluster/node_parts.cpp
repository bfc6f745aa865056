// Bringing a node's parts up, each after those it needs.
#include "cluster/node_parts.hpp"

#include "actors/account/keyring.hpp"
#include "actors/account/ledger.hpp"
#include "actors/account/usage_journal.hpp"
#include "actors/channels/core/answer.hpp"
#include "actors/channels/onebot/onebot.hpp"
#include "actors/channels/outbox/outbox.hpp"
#include "actors/model/router.hpp"
#include "actors/model/routes.hpp"
#include "actors/moderation/stages.hpp"
#include "actors/session/session.hpp"
#include "actors/store/store.hpp"
#include "cluster/cluster_metrics.hpp"
#include "cluster/guardian.hpp"
#include "cluster/keyword_metrics.hpp"
#include "cluster/moderation_metrics.hpp"
#include "cluster/node_files.hpp"
#include "cluster/node_metrics.hpp"
#include "cluster/notices.hpp"
#include "cluster/tool_metrics.hpp"
#include "gateway/ops/gateway_metrics.hpp"
#include "gateway/server/gateway.hpp"
#include "gateway/upstream/resolver.hpp"
#include "messages/log.hpp"
#include "persistence/open.hpp"

#include <boost/asio/post.hpp>
#include <fmt/format.h>

#include <future>

namespace troupe {

namespace {

persistence::database_factory_ptr open_database(const config::node_config& config) {
  try {
    auto factory = persistence::make_database_factory(config);
    for (auto version : persistence::prepare_database(*factory, system_clock()->now_us()))
      log_info("database_migrated", {{"version", version}});
    return factory;
  } catch (const persistence::failure& e) {
    throw node_failure{make_error(e.code, e.what())};
  }
}

std::shared_ptr<usage_journal> open_journal(const std::string& data_dir) {
  try {
    return std::make_shared<usage_journal>(data_dir);
  } catch (const std::runtime_error& e) {
    throw node_failure{make_error(ec::config_invalid, e.what())};
  }
}

/// Answers are rows of the outbox as long as their account takes them, so that what was sent of one
/// is known piece by piece.
std::vector<std::vector<v1::Part>>
split_for_channel(const std::vector<config::onebot_section>& accounts, const v1::ReplyAddress& to,
                  const v1::Message& answer) {
  auto chars_max = config::onebot_section{}.reply_chars_max;
  for (const auto& account : accounts)
    if (account.account == to.account())
      chars_max = account.reply_chars_max;
  return channels::answer_pieces(answer, static_cast<std::size_t>(chars_max));
}

// Runs `work` on the shard's thread and waits for it.
void on_shard(gateway::io_shard& shard, const std::function<void()>& work) {
  std::promise<void> done;
  boost::asio::post(shard.context(), [&] {
    work();
    done.set_value();
  });
  done.get_future().wait();
}

// "127.0.0.1:9400", "[::1]:9400"; the configuration was validated.
std::pair<std::string, std::uint16_t> split_listen(const std::string& listen) {
  auto colon = listen.rfind(':');
  auto host = listen.substr(0, colon);
  if (host.size() > 2 && host.front() == '[')
    host = host.substr(1, host.size() - 2);
  return {host, static_cast<std::uint16_t>(std::stoi(listen.substr(colon + 1)))};
}

} // namespace

node::parts::parts(config::node_config given, node_callbacks given_callbacks) :
    config(std::move(given)),
    callbacks(std::move(given_callbacks)),
    started_us(system_clock()->now_us()),
    actor_config(static_cast<std::size_t>(config.node.threads)) {
  if (auto err = prepare_data_dir(config.node.data_dir))
    throw node_failure{err};
  auto secret = load_or_make_token(config.node.data_dir);
  if (!secret)
    throw node_failure{secret.error()};
  token = *secret;
  auto made = load_or_make_identity(config.node.data_dir);
  if (!made)
    throw node_failure{made.error()};
  identity = *made;
  database = open_database(config);
  system.emplace(actor_config);
  host = {&*system, &actor_probes};
}

void node::parts::start_actors() {
  auto clock = system_clock();
  store_options storing{host, database, config.store, clock};
  store_writable = storing.writable;
  fenced_writes = storing.fenced;
  auto stored = troupe::spawn(host, troupe::store, std::move(storing));
  store = stored;
  text_store = stored;
  keyring_options known_keys{store, config.keys, clock, keys_fresh};
  known_keys.tell_revoked = [all = peers](const std::string& id) { tell_key_revoked(*all, id); };
  keyring = troupe::spawn(host, troupe::keyring, std::move(known_keys));
  usage = std::make_shared<usage_intake>(config.ledger, open_journal(config.node.data_dir));
  ledger = troupe::spawn(host, troupe::ledger, ledger_options{store, config.ledger, usage});
  start_tools();
  start_text();
  router =
      troupe::spawn(host, troupe::model_router,
                    model_router_options{config.upstreams, config.models, clock, routes_fresh});
  outbox_options replies{store, clock, config.channels.outbox};
  replies.tell_others = [all = peers](const auto& rows) { tell_outbox_changed(*all, rows); };
  outbox = troupe::spawn(host, troupe::outbox, std::move(replies));
}

void node::parts::start_gateway() {
  wait_for_lexicons();
  wait_for_keywords();
  http = std::make_shared<gateway::server>(
      gateway::server_options{config.gateway, config.log.access}, host, http_probe);
  auto dns = std::make_shared<gateway::resolver>();
  for (auto* shard : http->shards()) {
    on_shard(*shard, [&] {
      shards.push_back(
          {shard, gateway::make_upstreams(*shard, {config.upstreams, router, dns, routes_fresh})});
    });
  }
  upstream = troupe::spawn(host, gateway::upstream_service,
                           gateway::upstream_service_options{shards, tokenizer_desk});
  session_options sessions;
  sessions.config = config.session;
  sessions.default_model = default_model(config);
  sessions.store = store;
  sessions.router = router;
  sessions.upstream = upstream;
  sessions.tokenizer = tokenizer_desk;
  sessions.outbox = outbox;
  sessions.split = [accounts = config.channels.onebot](const auto& to, const auto& answer) {
    return split_for_channel(accounts, to, answer);
  };
  add_moderation_stages(sessions.pipeline, guard);
  add_keyword_stage(sessions);
  start_region(sessions);
  for (const auto& section :
       has_role("channel") ? config.channels.onebot : std::vector<config::onebot_section>{})
    channels["onebot/" + section.account] =
        troupe::spawn(host, onebot, onebot_options{section, region, outbox, system_clock(), host});
  // Without the role its threads still speak to upstreams, and nobody reaches it.
  if (has_role("gateway")) {
    if (auto err = http->start(make_routes()))
      throw node_failure{err};
    url = fmt::format("{}://{}", config.gateway.tls_certificate.empty() ? "http" : "https",
                      http->address());
  }
  http_actor = troupe::spawn(host, gateway::gateway_server,
                             gateway::gateway_options{http, &http_probe, system_clock()});
}

void node::parts::start_ops() {
  auto [address, port] = split_listen(config.ops.listen);
  gateway::ops::options settings;
  settings.host = address;
  settings.port = port;
  settings.token = config.ops.token.empty() ? token : config.ops.token;
  ops = std::make_unique<gateway::ops::ops_server>(
      settings, ops_hooks(), actor_probes,
      std::vector<std::shared_ptr<prometheus::Collectable>>{
          std::make_shared<gateway::ops::gateway_metrics>(http_probe),
          std::make_shared<node_metrics>(usage->counts(), kept),
          std::make_shared<cluster_metrics>(member_probe, shards_probe, links_probe, fenced_writes,
                                            [all = views] { return all->last(); }),
          std::make_shared<tool_metrics>(places),
          std::make_shared<moderation_metrics>(moderation_counts),
          std::make_shared<keyword_metrics>(keyword_usage, keyword_rules)});
  if (auto err = ops->start())
    throw node_failure{err};
  ops_url = ops->url();
}

void node::parts::start_guardian() {
  guardian_options options;
  auto watch = [&](std::string name, const auto& handle) {
    options.children.push_back({std::move(name), caf::actor_cast<caf::actor>(handle), nullptr});
  };
  watch("store", store);
  watch("keyring", keyring);
  watch("ledger", ledger);
  watch("tokenizer", tokenizer);
  watch("tokenizer_desk", tokenizer_desk);
  watch("moderation", moderation);
  watch("keywords", keywords);
  watch("text", texts);
  watch("model_router", router);
  watch("outbox", outbox);
  watch("upstream", upstream);
  watch("shard_region", region);
  watch("session_region", queries);
  watch("authority", authority);
  watch("membership", membership);
  watch("links", links);
  watch("peer_service", service);
  watch("gateway", http_actor);
  for (const auto& [name, handle] : channels)
    watch(name, handle);
  options.escalate = callbacks.stop;
  guardian_handle = troupe::spawn(host, guardian, std::move(options));
}

channel_actor node::parts::find_channel(std::string_view channel, std::string_view account) const {
  auto found = channels.find(fmt::format("{}/{}", channel, account));
  return found == channels.end() ? channel_actor{} : found->second;
}

void node::parts::close_upstreams() {
  for (const auto& s : shards)
    on_shard(*s.shard, [&] { s.calls->close(); });
}

} // namespace troupe
