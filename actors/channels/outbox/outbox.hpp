// Delivers the outbox of every channel: claims rows due, hands them to the channel, settles them.
//
// A row is marked as of unknown outcome before it is handed over, so that a node that dies while
// sending does not send it again blindly; what certainly was not written goes back to pending.
// Within a chat rows leave one after another. Accounts whose channel takes no deliveries are left
// alone: their rows wait without using up attempts.
#pragma once

#include "actors/channels/core/backoff.hpp"
#include "actors/channels/outbox/verdict.hpp"
#include "config/config.hpp"
#include "messages/actor.hpp"
#include "messages/clock.hpp"
#include "messages/interfaces.hpp"

#include <deque>
#include <functional>
#include <map>
#include <random>
#include <unordered_map>

namespace troupe {

struct outbox_options {
  store_actor store;
  wall_clock_ptr clock;
  config::outbox_section section;
  std::size_t in_flight_max = 32;            // chats of one account sent to at once
  std::int64_t store_limit_ms = 10'000;      // of one command
  std::int64_t hand_over_limit_ms = 900'000; // of one delivery; channels have limits of their own
  std::uint64_t seed = 0;                    // of the jitter; 0: random
  /// Rows wait for an account that takes no deliveries here: it may be at another node.
  std::function<void(const v1::OutboxChanged&)> tell_others;
};

struct outbox_state;
using outbox_self = with_timer<outbox_actor>::stateful_pointer<outbox_state>;

struct outbox_state {
  static inline const char* name = "outbox";

  explicit outbox_state(outbox_self self) : self(self) {}

  void start(outbox_options opts);
  void changed(const OutboxChanged& which);
  void announced(const OutboxChanged& which, const channel_actor& channel);
  void tick(const Tick& tick);

private:
  struct held_row {
    v1::OutboxRow row;
    std::int64_t claimed_until_us = 0;
  };

  // One chat: its rows in order, at most one of them on its way.
  struct lane {
    std::deque<held_row> rows;
    bool sending = false;             // the first one
    std::int64_t closed_until_us = 0; // after a refusal: what comes later must not overtake
  };

  struct account {
    std::string channel;
    std::string name;
    channel_actor handle; // empty: takes no deliveries
    std::map<std::string, lane> lanes;
    std::size_t held = 0;
    std::size_t in_flight = 0;
    bool claiming = false;
    bool look_again = false;
  };

  // A settlement that the store has not taken yet.
  struct settlement {
    v1::SettleOutbox command;
    int failures = 0;
  };

  void claim(const std::string& key);
  void take(const std::string& key, const OutboxRows& rows, std::int64_t until_us);
  void put_into_lane(account& account, v1::OutboxRow row, std::int64_t until_us);
  void pump(const std::string& key);
  void send_first(const std::string& key, const std::string& chat);
  void hand_over(const std::string& key, const std::string& chat);
  void delivered(const std::string& key, const std::string& chat, const std::string& platform_id);
  void not_delivered(const std::string& key, const std::string& chat, const caf::error& err);
  void refused(const std::string& key, const std::string& chat, const std::string& error);
  void done_with_first(const std::string& key, const std::string& chat);
  void release_rest(account& account, lane& lane, std::int64_t next_us);
  void gone(const caf::down_msg& down);
  void settle(const v1::OutboxRow& row, v1::OutboxStatus status, const std::string& error,
              std::int64_t next_us = 0, const std::string& platform_id = {});
  void overtake(const std::string& row_id);
  void try_settle(std::int64_t number);
  void settled(std::int64_t number, const caf::error& err);
  void forget_empty_lanes();
  std::int64_t now_us() const { return options.clock->now_us(); }

  outbox_self self;
  outbox_options options;
  std::mt19937_64 random;
  std::map<std::string, account> accounts;              // by channel and name
  std::unordered_map<std::string, int> refusals;        // by row id
  std::unordered_map<std::int64_t, settlement> open;    // by a number of their own
  std::unordered_map<std::string, std::int64_t> latest; // of a row: its settlement in `open`
  std::int64_t last_settlement = 0;
};

/// Its handle converts to `outbox_actor`.
with_timer<outbox_actor>::behavior_type outbox(outbox_self self, outbox_options options);

} // namespace troupe
