// The ledger: gathers usage records and writes them to the store in groups.
#pragma once

#include "actors/account/usage_intake.hpp"
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

struct ledger_options {
  store_actor store;
  config::ledger_section limits;
  std::shared_ptr<usage_intake> intake;
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

  std::size_t waiting() const { return sending_count + options.intake->gathered(); }
  void collect();
  void send_or_wait();
  void send_group();
  void group_written();
  void group_failed(const caf::error& error);
  void arm(std::chrono::milliseconds delay);

  interface::pointer self;
  ledger_options options;
  std::deque<RecordUsage> sending; // groups that were collected
  std::size_t sending_count = 0;   // records
  std::uint64_t durable = 0;       // of this state: places in the line
  std::deque<std::pair<std::uint64_t, caf::typed_response_promise<Done>>> flushes;
  bool in_flight = false;
  bool timer_set = false;
  std::chrono::milliseconds retry = retry_first;
};

/// Writes what enters by its intake, or by `RecordUsage`, within `limits.delay_ms`, at most
/// `limits.batch_max` a group. While the store is away up to `limits.buffer_max` records are kept
/// and sent again; further ones are counted as dropped. A record is settled once by its request id,
/// however often it is sent.
ledger_state::interface::behavior_type
ledger(self_pointer<ledger_state::interface, ledger_state> self, ledger_options options);

} // namespace troupe
