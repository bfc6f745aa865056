// The ledger: gathers usage records and writes them to the store in groups.
#pragma once

#include "actors/account/usage_journal.hpp"
#include "config/config.hpp"
#include "messages/actor.hpp"
#include "messages/interfaces.hpp"

#include <caf/result.hpp>
#include <caf/typed_response_promise.hpp>

#include <atomic>
#include <chrono>
#include <deque>
#include <memory>
#include <utility>
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

struct ledger_options {
  store_actor store;
  config::ledger_section limits;
  /// Null: records that are not in the store yet die with the process.
  std::shared_ptr<usage_journal> journal;
  std::shared_ptr<ledger_counts> counts = std::make_shared<ledger_counts>();
  std::int64_t store_limit_ms = 30'000; // of one group
};

struct ledger_state {
  using interface = with_timer<ledger_actor>;
  static inline const char* name = "ledger";

  explicit ledger_state(interface::pointer self) : self(self) {}

  void init(ledger_options given);
  void take(RecordUsage command);
  caf::result<Done> flush(RecordUsage command);
  void tick();

  static constexpr std::chrono::milliseconds retry_first{50};
  static constexpr std::chrono::milliseconds retry_max{500};

  /// A record nobody could refuse later: one bad line must not hold up its group.
  static bool make_valid(v1::UsageRecord& record);
  std::size_t buffered() const { return sending_count + gathering_count; }
  void gather(v1::RecordUsage records);
  void start_sending();
  void send_or_wait();
  void send_group();
  void group_written();
  void group_failed(const caf::error& error);
  void arm(std::chrono::milliseconds delay);
  void publish();

  interface::pointer self;
  ledger_options options;
  std::deque<RecordUsage> sending;       // groups; in one file of the journal
  std::deque<v1::RecordUsage> gathering; // groups; in the other
  std::size_t sending_count = 0;         // records
  std::size_t gathering_count = 0;       // records
  std::uint64_t taken = 0;               // of this state: places in the line
  std::uint64_t durable = 0;
  std::deque<std::pair<std::uint64_t, caf::typed_response_promise<Done>>> flushes;
  bool in_flight = false;
  bool timer_set = false;
  bool journal_failing = false;
  std::chrono::milliseconds retry = retry_first;
};

/// Takes records at once (into its journal, if it has one) and writes them within
/// `limits.delay_ms`, at most `limits.batch_max` a group. While the store is away it keeps up to
/// `limits.buffer_max` records and tries again; further ones are counted as dropped. A record is
/// settled once by its request id, however often it is sent.
ledger_state::interface::behavior_type
ledger(self_pointer<ledger_state::interface, ledger_state> self, ledger_options options);

} // namespace troupe
