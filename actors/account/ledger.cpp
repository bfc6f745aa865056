#include "actors/account/ledger.hpp"

#include <algorithm>

namespace troupe {

namespace {

constexpr std::size_t request_id_bytes_max = 255;
constexpr std::size_t name_bytes_max = 255;

void cut(std::string& text) {
  if (text.size() > name_bytes_max)
    text.resize(name_bytes_max);
}

} // namespace

void ledger_state::init(ledger_options given) {
  options = std::move(given);
  if (!options.journal)
    return;
  try {
    for (auto& record : options.journal->replay())
      sending.push_back(std::move(record));
  } catch (const std::exception& error) {
    log_error("ledger_journal_failed", {{"error", error.what()}});
    options.journal = nullptr;
  }
  if (!sending.empty()) {
    log_info("ledger_replayed", {{"records", sending.size()}});
    taken = sending.size();
    options.counts->taken += sending.size();
  }
  publish();
  send_or_wait();
}

bool ledger_state::make_valid(v1::UsageRecord& record) {
  const auto& id = record.request_id();
  if (id.empty() || id.size() > request_id_bytes_max)
    return false;
  cut(*record.mutable_model());
  cut(*record.mutable_deployment());
  cut(*record.mutable_upstream_model());
  cut(*record.mutable_operation());
  cut(*record.mutable_principal_id());
  cut(*record.mutable_conversation_id());
  cut(*record.mutable_turn_id());
  return record.ByteSizeLong() <= 16'384;
}

void ledger_state::take(const RecordUsage& command) {
  auto& counts = *options.counts;
  v1::RecordUsage good;
  auto room = static_cast<std::size_t>(options.limits.buffer_max);
  for (const auto& record : command->records()) {
    if (buffered() + static_cast<std::size_t>(good.records_size()) >= room) {
      if (counts.dropped++ % 10'000 == 0)
        log_error("ledger_full", {{"buffer_max", options.limits.buffer_max}});
      continue;
    }
    if (!make_valid(*good.add_records() = record)) {
      good.mutable_records()->RemoveLast();
      ++counts.refused;
      log_error("ledger_record_refused", {{"request_id_bytes", record.request_id().size()}});
    }
  }
  if (good.records_size() == 0)
    return;
  if (options.journal) {
    bool kept = options.journal->append(good.records());
    if (!kept)
      counts.unsafe += static_cast<std::uint64_t>(good.records_size());
    if (kept == journal_failing)
      log_event(kept ? log_level::info : log_level::error,
                kept ? "ledger_journal_works_again" : "ledger_journal_cannot_be_written", {});
    journal_failing = !kept;
  }
  taken += static_cast<std::uint64_t>(good.records_size());
  counts.taken += static_cast<std::uint64_t>(good.records_size());
  for (auto& record : *good.mutable_records())
    gathering.push_back(std::move(record));
  publish();
  send_or_wait();
}

caf::result<Done> ledger_state::flush(const RecordUsage& command) {
  take(command);
  if (durable >= taken)
    return Done{};
  auto promise = self->make_response_promise<Done>();
  flushes.emplace_back(taken, promise);
  if (!in_flight)
    send_group();
  return promise;
}

void ledger_state::send_or_wait() {
  if (in_flight || buffered() == 0)
    return;
  if (buffered() >= static_cast<std::size_t>(options.limits.batch_max) && retry == retry_first)
    send_group();
  else
    arm(std::chrono::milliseconds{options.limits.delay_ms});
}

void ledger_state::send_group() {
  if (sending.empty()) {
    if (gathering.empty())
      return;
    // What was sent is durable: its file is emptied and gathers what comes from now on.
    if (options.journal)
      options.journal->turn_over();
    sending.swap(gathering);
  }
  auto count = std::min(sending.size(), static_cast<std::size_t>(options.limits.batch_max));
  v1::RecordUsage group;
  group.mutable_records()->Reserve(static_cast<int>(count));
  for (std::size_t i = 0; i < count; ++i)
    *group.add_records() = sending[i];
  in_flight = true;
  self->request(options.store, std::chrono::milliseconds{options.store_limit_ms},
                RecordUsage{std::move(group)})
      .then([this, count](const Done&) { group_written(count); },
            [this, count](const caf::error& error) { group_failed(error, count); });
}

void ledger_state::group_written(std::size_t count) {
  in_flight = false;
  retry = retry_first;
  sending.erase(sending.begin(), sending.begin() + static_cast<std::ptrdiff_t>(count));
  durable += count;
  options.counts->written += count;
  while (!flushes.empty() && flushes.front().first <= durable) {
    flushes.front().second.deliver(Done{});
    flushes.pop_front();
  }
  if (!sending.empty() || !flushes.empty()) {
    send_group();
  } else {
    // Even with nothing new: a journal of records that are durable need not be read again.
    if (gathering.empty() && options.journal)
      options.journal->turn_over();
    send_or_wait();
  }
  publish();
}

void ledger_state::group_failed(const caf::error& error, std::size_t count) {
  in_flight = false;
  ++options.counts->retries;
  log_warn("ledger_group_failed", {{"records", count}, {"error", describe(error)}});
  // It may have been written, the answer being late: sending it again changes nothing then.
  arm(retry);
  retry = std::min(retry * 2, retry_max);
}

void ledger_state::arm(std::chrono::milliseconds delay) {
  if (timer_set)
    return;
  timer_set = true;
  self->delayed_send(self, delay, Tick{});
}

void ledger_state::tick() {
  timer_set = false;
  if (!in_flight)
    send_group();
}

void ledger_state::publish() {
  options.counts->buffered = static_cast<std::int64_t>(buffered());
  if (options.journal)
    options.counts->journal_bytes = options.journal->bytes();
}

ledger_state::interface::behavior_type
ledger(self_pointer<ledger_state::interface, ledger_state> self, ledger_options options) {
  self->state.init(std::move(options));
  auto* st = &self->state;
  return {
      [st](const RecordUsage& x) { st->take(x); },
      [st](const RecordUsage& x, bool) { return st->flush(x); },
      [self, st](const ListUsage& x) { return self->delegate(st->options.store, x); },
      [st](const Tick&) { st->tick(); },
  };
}

} // namespace troupe
