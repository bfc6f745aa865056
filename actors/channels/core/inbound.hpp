// The way in of one bot account, the same for every platform: commands, the conversation of a chat,
// one message of a chat at a time, retries while the node is busy.
#pragma once

#include "actors/channels/core/address.hpp"
#include "actors/channels/core/backoff.hpp"
#include "messages/actor.hpp"
#include "messages/clock.hpp"
#include "messages/interfaces.hpp"

#include <deque>
#include <list>
#include <random>
#include <unordered_map>

namespace troupe {

struct inbound_options {
  session_region_actor region;
  wall_clock_ptr clock;
  channels::group_sessions group_sessions = channels::group_sessions::member;
  std::string model;               // of new conversations; empty: the configured default
  std::string system_prompt;       // of new conversations; empty: the configured default
  std::size_t lane_max = 16;       // messages of one chat that wait
  std::size_t waiting_max = 1'000; // of all chats
  std::size_t chats_max = 10'000;  // whose conversation is remembered; others are looked up
  int retries_max = 5;             // of one message, while the node is busy
  channels::backoff retry{500, 8'000};
  std::int64_t request_limit_ms = 15'000;
  std::uint64_t seed = 0; // of the jitter; 0: random
};

struct inbound_state;
using inbound_self = with_timer<inbound_actor>::stateful_pointer<inbound_state>;

struct inbound_state {
  static inline const char* name = "inbound";

  explicit inbound_state(inbound_self self) : self(self) {}

  void start(inbound_options opts);
  caf::result<InboundHandled> handle(const InboundMessage& message);
  void retry(const Tick& tick);

private:
  using promise = caf::typed_response_promise<InboundHandled>;

  struct waiting {
    v1::InboundMessage message;
    promise answer;
    int failures = 0;
  };

  // One chat: what waits, and what is known of its conversation.
  struct chat {
    std::deque<waiting> queue;
    bool busy = false;
    std::string conversation_id;   // empty: to be looked up
    std::deque<std::string> turns; // the last ones accepted, oldest first
    bool told_busy = false;        // since its queue was last empty
    std::list<std::string>::iterator used;
  };

  chat& chat_of(const std::string& key);
  chat* find(const std::string& key);
  void forget_idle();
  void next(const std::string& key);
  void look_up(const std::string& key);
  void post(const std::string& key);
  void reset(const std::string& key);
  void stop(const std::string& key, std::deque<std::string> turns, bool stopped);
  void finish(const std::string& key, const InboundHandled& outcome);
  void say(const std::string& key, std::string_view text);
  void failed(const std::string& key, const caf::error& err);
  v1::Context context(const std::string& key, const v1::InboundMessage& message) const;
  v1::Conversation conversation(const std::string& key, std::string_view salt) const;
  v1::PostMessage posting(const std::string& key, const v1::InboundMessage& message) const;
  std::chrono::milliseconds limit() const {
    return std::chrono::milliseconds{options.request_limit_ms};
  }

  inbound_self self;
  inbound_options options;
  std::mt19937_64 random;
  std::unordered_map<std::string, chat> chats;
  std::list<std::string> recent; // keys of `chats`, last used first
  std::unordered_map<std::int64_t, std::string> retries;
  std::int64_t last_retry = 0;
  std::size_t waiting_count = 0;
};

/// Its handle converts to `inbound_actor`.
with_timer<inbound_actor>::behavior_type inbound(inbound_self self, inbound_options options);

} // namespace troupe
