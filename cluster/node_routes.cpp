// What the public port serves.
#include "actors/account/usage_intake.hpp"
#include "cluster/node_parts.hpp"
#include "gateway/api/api_options.hpp"
#include "gateway/api/documents.hpp"
#include "gateway/api/keywords.hpp"
#include "gateway/api/rulesets.hpp"
#include "gateway/openai/openai_routes.hpp"
#include "gateway/webhooks/sockets.hpp"

namespace troupe {

gateway::router node::parts::make_routes() {
  gateway::router routes;
  auto who = std::make_shared<const gateway::authenticator>(
      gateway::authenticator_options{keyring, token, config.keys.required, keys_fresh, &kept});
  gateway::api_options api{region, store, keyring, who};
  api.turn_limit = std::chrono::milliseconds{config.gateway.request_limit_ms};
  gateway::add_conversation_routes(routes, api);
  api.tokenizer = tokenizer_desk;
  api.texts = texts;
  gateway::add_key_routes(routes, api);
  api.moderation = moderation;
  api.text_store = text_store;
  gateway::add_moderation_routes(routes, api);
  gateway::ruleset_routes lexicons{"/api/v1/lexicons", v1::RULESET_KIND_LEXICON, moderation,
                                   text_store};
  auto shared_api = std::make_shared<const gateway::api_options>(api);
  gateway::add_ruleset_routes(routes, std::move(lexicons), shared_api);
  gateway::add_ruleset_routes(
      routes, {"/api/v1/keyword-sets", v1::RULESET_KIND_KEYWORDS, keywords, text_store},
      shared_api);
  gateway::add_keyword_routes(routes, {keywords}, shared_api);
  gateway::add_text_routes(routes, api);
  gateway::openai_options openai;
  openai.who = who;
  openai.models = router;
  openai.models_fresh = routes_fresh;
  openai.usage = usage;
  openai.probe = &kept;
  openai.tokenizer = tokenizer_desk;
  openai.guard = guard;
  openai.moderation = moderation;
  openai.upstreams_of = [this](const gateway::io_shard& shard) {
    return shards.at(shard.index()).calls;
  };
  openai.not_now = [this]() -> caf::error {
    if (usage->counts()->buffered < config.ledger.buffer_max)
      return caf::none;
    return make_error(ec::store_unavailable, "usage cannot be written to the database, and no more "
                                             "of it can be held; try again later");
  };
  gateway::add_openai_routes(routes, std::move(openai));
  gateway::add_channel_sockets(routes, [this](std::string_view channel, std::string_view account) {
    return find_channel(channel, account);
  });
  gateway::document_options documents;
  documents.welcome = config.gateway.static_dir.empty();
  documents.not_ready = [this]() -> caf::error {
    if (phase.load() != v1::NODE_PHASE_READY)
      return make_error(ec::draining, "this node is not ready to serve");
    if (!lease->holds(boot_clock_us()))
      return make_error(ec::store_unavailable, "this node cannot renew its lease at the database: "
                                               "until it can, it answers for no conversation");
    if (!*store_writable)
      return make_error(ec::store_unavailable, "the database cannot be written; `troupe status` "
                                               "and the log say why");
    return caf::none;
  };
  gateway::add_document_routes(routes, std::move(documents));
  return routes;
}

} // namespace troupe
