#include "cluster/node_metrics.hpp"

#include "cluster/metric_families.hpp"

#include <string>

namespace troupe {

namespace {

using prometheus::MetricFamily;
using prometheus::MetricType;

} // namespace

std::vector<MetricFamily> node_metrics::Collect() const {
  MetricFamily records{"troupe_ledger_records_total",
                       "Usage records by what became of them; unsafe: the journal took none.",
                       MetricType::Counter,
                       {}};
  add_counter(records, "outcome", "taken", ledger_->taken);
  add_counter(records, "outcome", "written", ledger_->written);
  add_counter(records, "outcome", "dropped", ledger_->dropped);
  add_counter(records, "outcome", "refused", ledger_->refused);
  add_counter(records, "outcome", "unsafe", ledger_->unsafe);
  MetricFamily retries{"troupe_ledger_retries_total",
                       "Groups of usage records sent to the database again.",
                       MetricType::Counter,
                       {}};
  retries.metric.emplace_back().counter.value = static_cast<double>(ledger_->retries.load());
  MetricFamily kept{"troupe_gateway_kept_answers_total",
                    "Answers of an actor used again instead of asking it.",
                    MetricType::Counter,
                    {}};
  add_counter(kept, "type", "keyring", kept_.principals);
  add_counter(kept, "type", "model_router", kept_.routes);
  return {
      std::move(records), std::move(retries), std::move(kept),
      gauge("troupe_ledger_buffered", "Usage records not in the database yet.", ledger_->buffered),
      gauge("troupe_ledger_journal_bytes", "Of usage records, in the journal's files.",
            ledger_->journal_bytes)};
}

} // namespace troupe
