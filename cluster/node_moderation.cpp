// A node's moderation: what is looked for, the actor that keeps it, and the guard of what passes.
#include "actors/moderation/guard.hpp"
#include "actors/moderation/moderation.hpp"
#include "cluster/node_parts.hpp"
#include "cluster/notices.hpp"

#include <caf/send.hpp>

#include <chrono>
#include <future>

namespace troupe {

namespace {

constexpr std::chrono::seconds load_limit{60};

} // namespace

void node::parts::start_moderation() {
  auto matching = troupe::moderation::options_of(config.moderation);
  if (!matching)
    throw node_failure{matching.error()};
  auto watch = std::make_shared<troupe::moderation::word_watch>(*matching);
  moderation_options serving;
  serving.host = host;
  serving.store = text_store;
  serving.config = config.moderation;
  serving.watch = watch;
  serving.probe = moderation_counts;
  serving.tell_others = [all = peers](v1::RulesetKind kind) { tell_rulesets_changed(*all, kind); };
  serving.loaded = [done = std::make_shared<std::once_flag>(), to = lexicons_loaded] {
    std::call_once(*done, [&] { to->set_value(); });
  };
  moderation = troupe::spawn(host, moderation_service, std::move(serving));
  guard_options looking;
  looking.watch = std::move(watch);
  looking.config = config.moderation;
  looking.probe = moderation_counts;
  looking.audit = [to = moderation](RecordModerationHits hits) {
    caf::anon_send(to, std::move(hits));
  };
  guard = make_text_guard(std::move(looking));
}

// Otherwise what comes first would pass unseen.
void node::parts::wait_for_lexicons() {
  if (lexicons_loaded->get_future().wait_for(load_limit) != std::future_status::ready)
    throw node_failure{make_error(ec::store_unavailable, "the lexicons could not be loaded within "
                                                         "60 s; the log says why")};
}

} // namespace troupe
