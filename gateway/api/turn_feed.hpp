// The events of one turn, as a request reads them on its I/O shard.
#pragma once

#include "gateway/server/io_shard.hpp"

#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <string>

namespace troupe::gateway {

/// Subscribes to a turn and hands its events on, in order and each once. Only on the shard's
/// thread. It ends with its last owner: the subscription then too, but never the turn.
class turn_feed : public std::enable_shared_from_this<turn_feed> {
public:
  using event_handler = std::function<void(const v1::TurnEvent&)>;

  static std::shared_ptr<turn_feed> open(io_shard& shard, session_region_actor region,
                                         std::string conversation_id, std::string turn_id);
  ~turn_feed();

  turn_feed(const turn_feed&) = delete;
  turn_feed& operator=(const turn_feed&) = delete;

  /// Asks for the events after `after_seq`, or after the last one that came; what comes is kept
  /// until `deliver_to`. Gives the turn as it is now.
  asio::awaitable<caf::expected<Turn>> subscribe(v1::Context context, std::int64_t after_seq,
                                                 std::chrono::milliseconds limit);

  /// Calls `handler` with what came so far and with what comes from now on.
  void deliver_to(event_handler handler);

  /// No more events.
  void close();

  std::int64_t last_seq() const { return last_seq_; }

private:
  turn_feed(io_shard& shard, session_region_actor region, std::string conversation_id,
            std::string turn_id);

  void take(caf::message& content);
  void hand_on(const TurnEvents& batch);

  io_shard& shard_;
  session_region_actor region_;
  std::string conversation_id_;
  std::string turn_id_;
  std::shared_ptr<io_shard::mailbox> mailbox_;
  std::deque<TurnEvents> waiting_;
  event_handler handler_;
  std::int64_t last_seq_ = 0;
  bool subscribed_ = false;
};

} // namespace troupe::gateway
