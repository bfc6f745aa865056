// A node's keywords: the rules, the actor that keeps them, and the stage that answers by them.
#include "actors/keywords/keywords.hpp"
#include "actors/keywords/stages.hpp"
#include "actors/session/session.hpp"
#include "cluster/node_parts.hpp"
#include "cluster/notices.hpp"

#include <chrono>
#include <future>

namespace troupe {

namespace {

constexpr std::chrono::seconds load_limit{60};

} // namespace

void node::parts::start_keywords() {
  keyword_rules = std::make_shared<troupe::keywords::live_rules>();
  keyword_usage = std::make_shared<troupe::keywords::rule_usage>(
      static_cast<std::size_t>(config.keywords.cooldowns_max),
      troupe::keywords::counting_options(config.keywords.day_offset_min));
  keywords_options serving;
  serving.host = host;
  serving.store = text_store;
  serving.node = config.node.name;
  serving.section = config.keywords;
  serving.live = keyword_rules;
  serving.usage = keyword_usage;
  serving.tell_others = [all = peers](v1::RulesetKind kind) { tell_rulesets_changed(*all, kind); };
  serving.loaded = [done = std::make_shared<std::once_flag>(), to = keywords_loaded] {
    std::call_once(*done, [&] { to->set_value(); });
  };
  keywords = troupe::spawn(host, keywords_service, std::move(serving));
}

// Otherwise the first messages would go to the model.
void node::parts::wait_for_keywords() {
  if (config.keywords.enabled
      && keywords_loaded->get_future().wait_for(load_limit) != std::future_status::ready)
    throw node_failure{make_error(ec::store_unavailable, "the keyword sets could not be loaded "
                                                         "within 60 s; the log says why")};
}

void node::parts::add_keyword_stage(session_options& sessions) const {
  if (!config.keywords.enabled)
    return;
  keyword_stage_options answering;
  answering.live = keyword_rules;
  answering.usage = keyword_usage;
  answering.api = config.keywords.api;
  sessions.pipeline.window.push_back(std::make_shared<keyword_stage>(std::move(answering)));
}

} // namespace troupe
