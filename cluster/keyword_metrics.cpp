#include "cluster/keyword_metrics.hpp"

#include "cluster/metric_families.hpp"

namespace troupe {

std::vector<prometheus::MetricFamily> keyword_metrics::Collect() const {
  const auto& counts = usage_->counts();
  prometheus::MetricFamily messages{"troupe_keywords_messages_total",
                                    "Messages by what the rules made of them: answered, prompted "
                                    "(the model got a rule's prompt), or unmatched.",
                                    prometheus::MetricType::Counter,
                                    {}};
  add_counter(messages, "outcome", "answered", counts.answered);
  add_counter(messages, "outcome", "prompted", counts.prompted);
  add_counter(messages, "outcome", "unmatched", counts.unmatched);
  prometheus::MetricFamily incomplete{"troupe_keywords_incomplete_total",
                                      "Messages of which rules were left out: too long, or too "
                                      "many patterns.",
                                      prometheus::MetricType::Counter,
                                      {}};
  incomplete.metric.emplace_back().counter.value = static_cast<double>(counts.incomplete.load());
  auto rules = rules_->current();
  return {std::move(messages), std::move(incomplete),
          gauge("troupe_keywords_rules", "Rules at work.",
                rules == nullptr ? 0 : static_cast<std::int64_t>(rules->size())),
          gauge("troupe_keywords_cooldowns", "Cool-downs that are kept.",
                static_cast<std::int64_t>(usage_->cooldowns_size()))};
}

} // namespace troupe
