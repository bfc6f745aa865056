#include "cluster/moderation_metrics.hpp"

#include "cluster/metric_families.hpp"

#include <string>

namespace troupe {

namespace {

using prometheus::ClientMetric;
using prometheus::MetricFamily;
using prometheus::MetricType;

void add(MetricFamily& to, std::vector<ClientMetric::Label> of, std::uint64_t value) {
  auto& m = to.metric.emplace_back();
  m.label = std::move(of);
  m.counter.value = static_cast<double>(value);
}

} // namespace

std::vector<MetricFamily> moderation_metrics::Collect() const {
  MetricFamily texts{"troupe_moderation_texts_total",
                     "Texts that were looked at, by what became of them.",
                     MetricType::Counter,
                     {}};
  MetricFamily bytes{
      "troupe_moderation_bytes_total", "Bytes of those texts.", MetricType::Counter, {}};
  for (auto [name, way] : {std::pair{"user", &counts_->user}, {"model", &counts_->model}}) {
    auto all = way->texts.load(), changed = way->changed.load(), blocked = way->blocked.load();
    add(texts, {{"direction", name}, {"outcome", "changed"}}, changed);
    add(texts, {{"direction", name}, {"outcome", "blocked"}}, blocked);
    // Of texts that are just being looked at only the beginning is counted.
    auto other = changed + blocked;
    add(texts, {{"direction", name}, {"outcome", "passed"}}, all > other ? all - other : 0);
    add(bytes, {{"direction", name}}, way->bytes.load());
  }
  MetricFamily hits{"troupe_moderation_hits_total",
                    "Hits that were told to the audit, by category and action.",
                    MetricType::Counter,
                    {}};
  for (const auto& [category, by_action] : counts_->hits())
    for (std::size_t i = 0; i < by_action.size(); ++i)
      if (by_action[i] > 0)
        add(hits,
            {{"category", category},
             {"action", std::string{name_of(static_cast<moderation::action>(i))}}},
            by_action[i]);
  MetricFamily audit{"troupe_moderation_audit_total",
                     "Hits by what became of them: written, dropped (too many waited), or "
                     "unaudited (one text had too many).",
                     MetricType::Counter,
                     {}};
  add(audit, {{"outcome", "written"}}, counts_->hits_written.load());
  add(audit, {{"outcome", "dropped"}}, counts_->hits_dropped.load());
  add(audit, {{"outcome", "unaudited"}}, counts_->hits_unaudited.load());
  return {std::move(texts), std::move(bytes), std::move(hits), std::move(audit),
          gauge("troupe_moderation_hits_waiting", "Hits on their way to the database.",
                counts_->hits_waiting.load())};
}

} // namespace troupe
