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
  v1::RecordUsage left;
  try {
    for (auto& record : options.journal->replay())
      *left.add_records() = std::move(record);
  } catch (const std::exception& error) {
    log_error("ledger_journal_failed", {{"error", error.what()}});
    options.journal = nullptr;
  }
  if (auto count = static_cast<std::size_t>(left.records_size()); count > 0) {
    log_info("ledger_replayed", {{"records", count}});
    taken = count;
    options.counts->taken += count;
    gather(std::move(left));
    start_sending();
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

void ledger_state::take(RecordUsage command) {
  auto& counts = *options.counts;
  auto good = std::move(command).take();
  auto& records = *good.mutable_records();
  auto room = static_cast<std::size_t>(options.limits.buffer_max);
  room -= std::min(room, buffered());
  int kept = 0;
  for (int i = 0; i < records.size(); ++i) {
    if (static_cast<std::size_t>(kept) >= room) {
      if (counts.dropped++ % 10'000 == 0)
        log_error("ledger_full", {{"buffer_max", options.limits.buffer_max}});
    } else if (!make_valid(records[i])) {
      ++counts.refused;
      log_error("ledger_record_refused", {{"request_id_bytes", records[i].request_id().size()}});
    } else {
      records.SwapElements(i, kept++);
    }
  }
  records.DeleteSubrange(kept, records.size() - kept);
  if (kept == 0)
    return;
  if (options.journal) {
    bool written = options.journal->append(records);
    if (!written)
      counts.unsafe += static_cast<std::uint64_t>(kept);
    if (written == journal_failing)
      log_event(written ? log_level::info : log_level::error,
                written ? "ledger_journal_works_again" : "ledger_journal_cannot_be_written", {});
    journal_failing = !written;
  }
  taken += static_cast<std::uint64_t>(kept);
  counts.taken += static_cast<std::uint64_t>(kept);
  gather(std::move(good));
  publish();
  send_or_wait();
}

// Into groups of at most `batch_max`; records are moved, never copied.
void ledger_state::gather(v1::RecordUsage records) {
  auto max = static_cast<int>(options.limits.batch_max);
  gathering_count += static_cast<std::size_t>(records.records_size());
  if (gathering.empty() && records.records_size() <= max) {
    gathering.push_back(std::move(records));
    return;
  }
  for (auto& record : *records.mutable_records()) {
    if (gathering.empty() || gathering.back().records_size() >= max)
      gathering.emplace_back();
    *gathering.back().add_records() = std::move(record);
  }
}

caf::result<Done> ledger_state::flush(RecordUsage command) {
  take(std::move(command));
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

void ledger_state::start_sending() {
  for (auto& group : gathering)
    sending.emplace_back(std::move(group));
  sending_count += std::exchange(gathering_count, 0);
  gathering.clear();
}

void ledger_state::send_group() {
  if (sending.empty()) {
    if (gathering.empty())
      return;
    // What was sent is durable: its file is emptied and gathers what comes from now on.
    if (options.journal)
      options.journal->turn_over();
    start_sending();
  }
  in_flight = true;
  self->request(options.store, std::chrono::milliseconds{options.store_limit_ms}, sending.front())
      .then([this](const Done&) { group_written(); },
            [this](const caf::error& error) { group_failed(error); });
}

void ledger_state::group_written() {
  in_flight = false;
  retry = retry_first;
  auto count = static_cast<std::size_t>(sending.front()->records_size());
  sending.pop_front();
  sending_count -= count;
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

void ledger_state::group_failed(const caf::error& error) {
  in_flight = false;
  ++options.counts->retries;
  log_warn("ledger_group_failed",
           {{"records", sending.front()->records_size()}, {"error", describe(error)}});
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
      [st](RecordUsage& x) { st->take(std::move(x)); },
      [st](RecordUsage& x, bool) { return st->flush(std::move(x)); },
      [self, st](const ListUsage& x) { return self->delegate(st->options.store, x); },
      [st](const Tick&) { st->tick(); },
  };
}

} // namespace troupe
