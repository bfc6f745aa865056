#include "actors/channels/outbox/outbox.hpp"

#include "actors/channels/core/address.hpp"
#include "messages/id.hpp"

namespace troupe {

using channels::verdict;
using std::chrono::milliseconds;

namespace {

enum class outbox_tick { poll, settle };

constexpr int settle_failures_max = 100;
constexpr std::size_t refusals_max = 10'000;
constexpr channels::backoff settle_again{200, 10'000};

Tick make_tick(outbox_tick kind, std::int64_t id) {
  v1::Tick tick;
  tick.set_kind(static_cast<std::int32_t>(kind));
  tick.set_id(id);
  return Tick{std::move(tick)};
}

std::string account_key(const v1::OutboxChanged& which) {
  return channels::escaped_component(which.channel()) + ":"
         + channels::escaped_component(which.account());
}

// Older first; the pieces of one answer in their order.
bool before(const v1::OutboxRow& x, const v1::OutboxRow& y) {
  return std::tuple{x.created_us(), std::string_view{x.turn_id()}, x.part_index()}
         < std::tuple{y.created_us(), std::string_view{y.turn_id()}, y.part_index()};
}

} // namespace

void outbox_state::start(outbox_options opts) {
  options = std::move(opts);
  random.seed(options.seed != 0 ? options.seed : std::random_device{}());
  self->set_down_handler([this](const caf::down_msg& down) { gone(down); });
  self->delayed_send(self, milliseconds{options.section.poll_ms}, make_tick(outbox_tick::poll, 0));
}

void outbox_state::changed(const OutboxChanged& which) {
  if (which->channel().empty()) {
    for (const auto& entry : accounts)
      claim(entry.first);
    return;
  }
  auto key = account_key(*which);
  auto found = accounts.find(key);
  if (found != accounts.end() && found->second.handle)
    claim(key);
  else if (!which->told() && options.tell_others)
    options.tell_others(*which);
}

void outbox_state::announced(const OutboxChanged& which, const channel_actor& channel) {
  auto key = account_key(*which);
  auto& account = accounts[key];
  if (account.handle == channel && channel)
    return; // said again
  account.channel = which->channel();
  account.name = which->account();
  if (account.handle)
    self->demonitor(account.handle.address());
  account.handle = channel;
  if (channel) {
    self->monitor(channel);
    claim(key);
    return;
  }
  for (auto& [chat, lane] : account.lanes)
    release_rest(account, lane, now_us());
}

void outbox_state::gone(const caf::down_msg& down) {
  for (auto& [key, account] : accounts) {
    if (!account.handle || account.handle.address() != down.source)
      continue;
    log_warn("outbox_channel_died", {{"channel", account.channel}, {"account", account.name}});
    account.handle = nullptr;
    for (auto& [chat, lane] : account.lanes)
      release_rest(account, lane, now_us());
  }
}

void outbox_state::tick(const Tick& tick) {
  if (static_cast<outbox_tick>(tick->kind()) == outbox_tick::settle)
    return try_settle(tick->id());
  self->delayed_send(self, milliseconds{options.section.poll_ms}, make_tick(outbox_tick::poll, 0));
  forget_empty_lanes();
  for (const auto& entry : accounts)
    claim(entry.first);
}

void outbox_state::claim(const std::string& key) {
  auto& account = accounts.at(key);
  auto batch = static_cast<std::size_t>(options.section.batch_max);
  if (!account.handle || account.held >= batch)
    return;
  if (std::exchange(account.claiming, true)) {
    account.look_again = true;
    return;
  }
  v1::ClaimOutbox command;
  command.set_channel(account.channel);
  command.set_account(account.name);
  command.set_limit(static_cast<std::int32_t>(batch - account.held));
  command.set_now_us(now_us());
  auto until = now_us() + options.section.claim_ms * 1'000;
  command.set_claim_until_us(until);
  self->request(options.store, milliseconds{options.store_limit_ms},
                ClaimOutbox{std::move(command)})
      .then([this, key, until](const OutboxRows& rows) { take(key, rows, until); },
            [this, key](const caf::error& err) {
              // The next poll tries again.
              accounts.at(key).claiming = false;
              log_warn("outbox_claim_failed", {{"account", key}, {"error", describe(err)}});
            });
}

void outbox_state::take(const std::string& key, const OutboxRows& rows, std::int64_t until_us) {
  auto& account = accounts.at(key);
  account.claiming = false;
  auto full = account.held + static_cast<std::size_t>(rows->rows_size())
              >= static_cast<std::size_t>(options.section.batch_max);
  for (const auto& row : rows->rows()) {
    if (now_us() - row.created_us() > options.section.age_max_ms * 1'000) {
      log_warn("outbox_row_dead", {{"row", row.id()}, {"account", key}, {"why", "too old"}});
      settle(row, v1::OUTBOX_STATUS_DEAD, "too old: no one took it in time");
    } else if (!account.handle) {
      settle(row, v1::OUTBOX_STATUS_PENDING, row.error(), now_us());
    } else {
      put_into_lane(account, row, until_us);
    }
  }
  pump(key);
  if (std::exchange(account.look_again, false) && !full)
    claim(key);
}

void outbox_state::put_into_lane(account& account, v1::OutboxRow row, std::int64_t until_us) {
  auto& lane = account.lanes[channels::chat_key(row.to())];
  if (lane.closed_until_us > now_us())
    return settle(row, v1::OUTBOX_STATUS_PENDING, row.error(), lane.closed_until_us);
  // Claimed once more: the time was over before its turn came.
  for (auto& held : lane.rows)
    if (held.row.id() == row.id()) {
      held.claimed_until_us = until_us;
      return;
    }
  auto first = lane.rows.begin() + (lane.sending ? 1 : 0);
  auto place = std::upper_bound(first, lane.rows.end(), row,
                                [](const auto& x, const auto& y) { return before(x, y.row); });
  lane.rows.insert(place, {std::move(row), until_us});
  ++account.held;
}

void outbox_state::pump(const std::string& key) {
  auto& account = accounts.at(key);
  for (auto& [chat, lane] : account.lanes) {
    if (account.in_flight >= options.in_flight_max)
      return;
    if (!lane.sending && !lane.rows.empty())
      send_first(key, chat);
  }
}

// Marked first. Once marked, nobody else claims it.
void outbox_state::send_first(const std::string& key, const std::string& chat) {
  auto& account = accounts.at(key);
  auto& lane = account.lanes.at(chat);
  while (!lane.rows.empty() && now_us() >= lane.rows.front().claimed_until_us) {
    lane.rows.pop_front(); // somebody may have it by now
    --account.held;
  }
  if (lane.rows.empty())
    return;
  lane.sending = true;
  ++account.in_flight;
  overtake(lane.rows.front().row.id());
  v1::SettleOutbox mark;
  mark.set_id(lane.rows.front().row.id());
  mark.set_status(v1::OUTBOX_STATUS_UNKNOWN);
  mark.set_error("handed to the channel");
  self->request(options.store, milliseconds{options.store_limit_ms}, SettleOutbox{std::move(mark)})
      .then([this, key, chat](const Done&) { hand_over(key, chat); },
            [this, key, chat](const caf::error& err) {
              const auto& row = accounts.at(key).lanes.at(chat).rows.front().row;
              log_warn("outbox_mark_failed", {{"row", row.id()}, {"error", describe(err)}});
              // It may be marked all the same, when only the answer was lost.
              if (info(err).code != ec::not_found)
                settle(row, v1::OUTBOX_STATUS_PENDING, row.error(),
                       now_us() + options.section.backoff_first_ms * 1'000);
              done_with_first(key, chat);
            });
}

void outbox_state::hand_over(const std::string& key, const std::string& chat) {
  auto& account = accounts.at(key);
  const auto& row = account.lanes.at(chat).rows.front().row;
  if (!account.handle)
    return not_delivered(key, chat, make_error(ec::upstream_unavailable, row.error()));
  v1::OutboundReply reply;
  reply.mutable_context()->set_request_id(new_id(now_us()));
  *reply.mutable_row() = row;
  self->request(account.handle, milliseconds{options.hand_over_limit_ms},
                OutboundReply{std::move(reply)})
      .then(
          [this, key, chat](const ReplyDelivered& answer) {
            delivered(key, chat, answer->platform_message_id());
          },
          [this, key, chat](const caf::error& err) { not_delivered(key, chat, err); });
}

void outbox_state::delivered(const std::string& key, const std::string& chat,
                             const std::string& platform_id) {
  const auto& row = accounts.at(key).lanes.at(chat).rows.front().row;
  log_info("outbox_row_sent", {{"row", row.id()},
                               {"turn_id", row.turn_id()},
                               {"account", key},
                               {"waited_ms", (now_us() - row.created_us()) / 1'000}});
  refusals.erase(row.id());
  settle(row, v1::OUTBOX_STATUS_SENT, {}, 0, platform_id);
  done_with_first(key, chat);
}

void outbox_state::not_delivered(const std::string& key, const std::string& chat,
                                 const caf::error& err) {
  auto& account = accounts.at(key);
  auto& lane = account.lanes.at(chat);
  const auto& row = lane.rows.front().row;
  auto what = channels::judge(info(err).code);
  if (what == verdict::refused)
    return refused(key, chat, describe(err));
  if (what == verdict::not_sent) {
    // The channel says when it takes deliveries again; until then nothing is claimed.
    auto next = now_us() + (account.handle ? options.section.backoff_first_ms * 1'000 : 0);
    settle(row, v1::OUTBOX_STATUS_PENDING, describe(err), next);
    lane.closed_until_us = next;
    release_rest(account, lane, next);
  } else {
    bool dead = what == verdict::dead;
    log_warn(dead ? "outbox_row_dead" : "outbox_row_unknown",
             {{"row", row.id()}, {"account", key}, {"error", describe(err)}});
    refusals.erase(row.id());
    settle(row, dead ? v1::OUTBOX_STATUS_DEAD : v1::OUTBOX_STATUS_UNKNOWN, describe(err));
  }
  done_with_first(key, chat);
}

void outbox_state::refused(const std::string& key, const std::string& chat,
                           const std::string& error) {
  auto& account = accounts.at(key);
  auto& lane = account.lanes.at(chat);
  const auto& row = lane.rows.front().row;
  if (refusals.size() >= refusals_max)
    refusals.clear(); // their age still ends them
  auto count = ++refusals[row.id()];
  bool dead = count >= options.section.attempts_max;
  log_warn(dead ? "outbox_row_dead" : "outbox_row_refused",
           {{"row", row.id()}, {"account", key}, {"times", count}, {"error", error}});
  if (dead) {
    refusals.erase(row.id());
    settle(row, v1::OUTBOX_STATUS_DEAD, error);
  } else {
    channels::backoff wait{options.section.backoff_first_ms, options.section.backoff_max_ms};
    auto next = now_us() + wait.delay_ms(count - 1, random) * 1'000;
    settle(row, v1::OUTBOX_STATUS_PENDING, error, next);
    lane.closed_until_us = next;
    release_rest(account, lane, next);
  }
  done_with_first(key, chat);
}

// All that waits in a lane but the row on its way goes back to the store.
void outbox_state::release_rest(account& account, lane& lane, std::int64_t next_us) {
  auto first = lane.rows.begin() + (lane.sending ? 1 : 0);
  for (auto it = first; it != lane.rows.end(); ++it) {
    settle(it->row, v1::OUTBOX_STATUS_PENDING, it->row.error(), next_us);
    --account.held;
  }
  lane.rows.erase(first, lane.rows.end());
}

void outbox_state::done_with_first(const std::string& key, const std::string& chat) {
  auto& account = accounts.at(key);
  auto& lane = account.lanes.at(chat);
  lane.rows.pop_front();
  lane.sending = false;
  --account.held;
  --account.in_flight;
  pump(key);
  if (account.held < static_cast<std::size_t>(options.section.batch_max) / 2)
    claim(key);
}

void outbox_state::forget_empty_lanes() {
  for (auto& [key, account] : accounts)
    std::erase_if(account.lanes, [now = now_us()](const auto& entry) {
      return entry.second.rows.empty() && entry.second.closed_until_us <= now;
    });
}

void outbox_state::settle(const v1::OutboxRow& row, v1::OutboxStatus status,
                          const std::string& error, std::int64_t next_us,
                          const std::string& platform_id) {
  overtake(row.id());
  auto number = ++last_settlement;
  latest[row.id()] = number;
  auto& command = open[number].command;
  command.set_id(row.id());
  command.set_status(status);
  command.set_error(error);
  command.set_next_attempt_us(next_us);
  command.set_platform_message_id(platform_id);
  try_settle(number);
}

// What was said of a row before must not be said again after something newer.
void outbox_state::overtake(const std::string& row_id) {
  if (auto node = latest.extract(row_id); !node.empty())
    open.erase(node.mapped());
}

void outbox_state::try_settle(std::int64_t number) {
  auto it = open.find(number);
  if (it == open.end())
    return; // overtaken, or of the time before a restart
  self->request(options.store, milliseconds{options.store_limit_ms},
                SettleOutbox{it->second.command})
      .then([this, number](const Done&) { settled(number, {}); },
            [this, number](const caf::error& err) { settled(number, err); });
}

void outbox_state::settled(std::int64_t number, const caf::error& err) {
  auto it = open.find(number);
  if (it == open.end())
    return;
  auto& row_id = it->second.command.id();
  bool again = err && info(err).retryable && ++it->second.failures < settle_failures_max;
  // Not found: its conversation was deleted, and its rows with it.
  if (err && info(err).code != ec::not_found)
    log_warn("outbox_settle_failed", {{"row", row_id}, {"error", describe(err)}, {"again", again}});
  if (again) {
    auto wait = settle_again.delay_ms(it->second.failures, random);
    self->delayed_send(self, milliseconds{wait}, make_tick(outbox_tick::settle, number));
    return;
  }
  latest.erase(row_id);
  open.erase(it);
}

with_timer<outbox_actor>::behavior_type outbox(outbox_self self, outbox_options options) {
  self->state.start(std::move(options));
  return {[self](const OutboxChanged& which) { self->state.changed(which); },
          [self](const OutboxChanged& which, const channel_actor& channel) {
            self->state.announced(which, channel);
          },
          [self](const Tick& tick) { self->state.tick(tick); }};
}

} // namespace troupe
