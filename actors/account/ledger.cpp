#include "actors/account/ledger.hpp"

#include "messages/log.hpp"

#include <algorithm>

namespace troupe {

void ledger_state::init(ledger_options given) {
  options = std::move(given);
  try {
    auto left = options.intake->replay();
    sending_count = static_cast<std::size_t>(left.records_size());
    if (sending_count > 0)
      log_info("ledger_replayed", {{"records", sending_count}});
    auto max = static_cast<int>(options.limits.batch_max);
    std::deque<v1::RecordUsage> groups;
    for (auto& record : *left.mutable_records()) {
      if (groups.empty() || groups.back().records_size() >= max)
        groups.emplace_back();
      *groups.back().add_records() = std::move(record);
    }
    for (auto& group : groups)
      sending.emplace_back(std::move(group));
  } catch (const std::exception& error) {
    log_error("ledger_journal_failed", {{"error", error.what()}});
  }
  // An empty command is no news but that there is something to collect.
  options.intake->wake_by([me = caf::weak_actor_ptr{self->ctrl()}] {
    if (auto here = me.lock())
      here->enqueue(nullptr, caf::make_message_id(), caf::make_message(RecordUsage{}), nullptr);
  });
  send_or_wait();
}

void ledger_state::take(RecordUsage command) {
  if (command->records_size() > 0)
    options.intake->put_all(std::move(command).take());
  send_or_wait();
}

caf::result<Done> ledger_state::flush(RecordUsage command) {
  take(std::move(command));
  auto left = waiting();
  if (left == 0)
    return Done{};
  auto promise = self->make_response_promise<Done>();
  flushes.emplace_back(durable + left, promise);
  if (!in_flight)
    send_group();
  return promise;
}

void ledger_state::send_or_wait() {
  if (in_flight)
    return;
  auto left = waiting();
  if (left == 0)
    return;
  if (left >= static_cast<std::size_t>(options.limits.batch_max) && retry == retry_first)
    send_group();
  else
    arm(std::chrono::milliseconds{options.limits.delay_ms});
}

void ledger_state::collect() {
  for (auto& group : options.intake->collect()) {
    sending_count += static_cast<std::size_t>(group.records_size());
    sending.emplace_back(std::move(group));
  }
}

void ledger_state::send_group() {
  if (sending.empty())
    collect();
  if (sending.empty())
    return;
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
  options.intake->settled(count);
  while (!flushes.empty() && flushes.front().first <= durable) {
    flushes.front().second.deliver(Done{});
    flushes.pop_front();
  }
  if (!sending.empty() || !flushes.empty()) {
    send_group();
    return;
  }
  // Even with nothing new: a journal of records that are durable need not be read again.
  if (options.intake->gathered() == 0)
    collect();
  send_or_wait();
}

void ledger_state::group_failed(const caf::error& error) {
  in_flight = false;
  ++options.intake->counts()->retries;
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
