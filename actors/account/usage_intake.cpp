#include "actors/account/usage_intake.hpp"

#include "messages/log.hpp"

#include <utility>

namespace troupe {

namespace {

constexpr std::size_t request_id_bytes_max = 255;
constexpr std::size_t name_bytes_max = 255;
constexpr std::size_t record_bytes_max = 16'384;

/// A text that is short enough is not touched: `mutable_...` would make one where there is none.
void cut(v1::UsageRecord& record, const std::string& (v1::UsageRecord::*text)() const,
         std::string* (v1::UsageRecord::*own)()) {
  if ((record.*text)().size() > name_bytes_max)
    (record.*own)()->resize(name_bytes_max);
}

} // namespace

usage_intake::usage_intake(config::ledger_section limits, std::shared_ptr<usage_journal> journal) :
    limits_(limits), journal_(std::move(journal)) {}

/// A record nobody could refuse later: one bad line must not hold up its group.
bool usage_intake::make_valid(v1::UsageRecord& record) {
  const auto& id = record.request_id();
  if (id.empty() || id.size() > request_id_bytes_max)
    return false;
  cut(record, &v1::UsageRecord::model, &v1::UsageRecord::mutable_model);
  cut(record, &v1::UsageRecord::deployment, &v1::UsageRecord::mutable_deployment);
  cut(record, &v1::UsageRecord::upstream_model, &v1::UsageRecord::mutable_upstream_model);
  cut(record, &v1::UsageRecord::operation, &v1::UsageRecord::mutable_operation);
  cut(record, &v1::UsageRecord::principal_id, &v1::UsageRecord::mutable_principal_id);
  cut(record, &v1::UsageRecord::conversation_id, &v1::UsageRecord::mutable_conversation_id);
  cut(record, &v1::UsageRecord::turn_id, &v1::UsageRecord::mutable_turn_id);
  return record.ByteSizeLong() <= record_bytes_max;
}

void usage_intake::journal(const v1::UsageRecord& record) {
  if (!journal_)
    return;
  bool written = journal_->append(record);
  if (!written)
    counts_->unsafe.fetch_add(1, std::memory_order_relaxed);
  if (written == journal_failing_)
    log_event(written ? log_level::info : log_level::error,
              written ? "ledger_journal_works_again" : "ledger_journal_cannot_be_written", {});
  journal_failing_ = !written;
  counts_->journal_bytes.store(journal_->bytes(), std::memory_order_relaxed);
}

usage_intake::wish usage_intake::take(v1::UsageRecord&& record) {
  if (!make_valid(record)) {
    counts_->refused.fetch_add(1, std::memory_order_relaxed);
    log_error("ledger_record_refused", {{"request_id_bytes", record.request_id().size()}});
    return wish::nothing;
  }
  if (counts_->buffered.load(std::memory_order_relaxed) >= limits_.buffer_max) {
    if (counts_->dropped.fetch_add(1, std::memory_order_relaxed) % 10'000 == 0)
      log_error("ledger_full", {{"buffer_max", limits_.buffer_max}});
    return wish::nothing;
  }
  journal(record);
  counts_->buffered.fetch_add(1, std::memory_order_relaxed);
  auto max = static_cast<int>(limits_.batch_max);
  if (groups_.empty() || groups_.back().records_size() >= max)
    groups_.emplace_back();
  *groups_.back().add_records() = std::move(record);
  ++gathered_;
  counts_->taken.fetch_add(1, std::memory_order_release);
  return gathered_ == 1 || groups_.back().records_size() == max ? wish::wake : wish::nothing;
}

void usage_intake::put(v1::UsageRecord&& record) {
  std::unique_lock lock{mutex_};
  if (take(std::move(record)) == wish::nothing || !wake_)
    return;
  auto wake = wake_;
  lock.unlock();
  wake();
}

void usage_intake::put_all(v1::RecordUsage records) {
  std::lock_guard guard{mutex_};
  for (auto& record : *records.mutable_records())
    take(std::move(record));
}

v1::RecordUsage usage_intake::replay() {
  std::lock_guard guard{mutex_};
  v1::RecordUsage left;
  if (!journal_) { // what a ledger that died had collected is lost; what it had not, is not
    counts_->buffered = static_cast<std::int64_t>(gathered_);
    return left;
  }
  try {
    for (auto& record : journal_->replay())
      *left.add_records() = std::move(record);
  } catch (const std::exception&) {
    journal_ = nullptr;
    throw;
  }
  groups_.clear();
  gathered_ = 0;
  counts_->buffered = left.records_size();
  counts_->taken += static_cast<std::uint64_t>(left.records_size());
  counts_->journal_bytes = journal_->bytes();
  return left;
}

void usage_intake::wake_by(std::function<void()> wake) {
  std::lock_guard guard{mutex_};
  wake_ = std::move(wake);
}

std::deque<v1::RecordUsage> usage_intake::collect() {
  std::lock_guard guard{mutex_};
  // What was collected before is durable: its file is emptied, and gathers what comes from now on.
  if (journal_) {
    journal_->turn_over();
    counts_->journal_bytes.store(journal_->bytes(), std::memory_order_relaxed);
  }
  gathered_ = 0;
  return std::exchange(groups_, {});
}

void usage_intake::settled(std::size_t records) {
  counts_->written.fetch_add(records, std::memory_order_relaxed);
  counts_->buffered.fetch_sub(static_cast<std::int64_t>(records), std::memory_order_relaxed);
}

std::size_t usage_intake::gathered() const {
  std::lock_guard guard{mutex_};
  return gathered_;
}

} // namespace troupe
