// Where usage records enter the ledger, from any thread, without a message each. Knows no actor.
#pragma once

#include "actors/account/usage_journal.hpp"
#include "config/config.hpp"
#include "persistence/usage_sink.hpp"

#include <atomic>
#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <vector>

namespace troupe {

/// What the ledger counted since its start. Thread-safe.
struct ledger_counts {
  std::atomic<std::uint64_t> taken{0};   // records accepted, with those read back at the start
  std::atomic<std::uint64_t> written{0}; // durable in the store
  std::atomic<std::uint64_t> dropped{0}; // the buffer was full: the newest go, the oldest are kept
  std::atomic<std::uint64_t> refused{0}; // no record at all: without a request id, or too long
  std::atomic<std::uint64_t> unsafe{0};  // taken, but the journal could not be written
  std::atomic<std::uint64_t> retries{0}; // groups sent again
  std::atomic<std::int64_t> buffered{0}; // taken and not durable yet
  std::atomic<std::int64_t> journal_bytes{0};
};

/// Gathers records, in its journal if it has one, until the ledger collects them. What it holds
/// with what the ledger has collected and not written is bounded by `limits.buffer_max`.
class usage_intake final : public persistence::usage_sink {
public:
  /// Without a journal, records that are not in the store yet die with the process.
  usage_intake(config::ledger_section limits, std::shared_ptr<usage_journal> journal);

  void put(v1::UsageRecord&& record) override;

  const std::shared_ptr<ledger_counts>& counts() const { return counts_; }

  // The ledger's side; from one thread at a time.

  /// Puts all, and wakes nobody.
  void put_all(v1::RecordUsage records);
  /// What a process before, or a ledger that died, had taken and not written. All of it counts as
  /// collected. Throws std::runtime_error when the journal cannot be used: it is not used any more.
  v1::RecordUsage replay();
  /// Called by `put` when there is something to collect and when a group is full; empty: nobody is.
  void wake_by(std::function<void()> wake);
  /// All that was gathered, in groups of at most `limits.batch_max`. What was collected before is
  /// durable.
  std::deque<v1::RecordUsage> collect();
  /// As many of the collected records are durable.
  void settled(std::size_t records);
  /// Records that wait to be collected.
  std::size_t gathered() const;

private:
  enum class wish { nothing, wake };

  static bool make_valid(v1::UsageRecord& record);
  wish take(v1::UsageRecord&& record);
  void journal(const v1::UsageRecord& record);

  const config::ledger_section limits_;
  const std::shared_ptr<ledger_counts> counts_ = std::make_shared<ledger_counts>();
  mutable std::mutex mutex_;
  std::shared_ptr<usage_journal> journal_;
  std::deque<v1::RecordUsage> groups_;
  std::size_t gathered_ = 0;
  std::function<void()> wake_;
  bool journal_failing_ = false;
};

} // namespace troupe
