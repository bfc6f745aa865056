// The events of one turn, as a request reads them on its I/O shard.
#pragma once

#include "gateway/server/io_shard.hpp"
#include "messages/thin_string.hpp"

#include <cstdint>
#include <functional>
#include <memory>
#include <string_view>
#include <vector>

namespace troupe::gateway {

/// Subscribes to a turn and keeps its events, in order and each once, until they are taken. Only on
/// the shard's thread. It ends with its last owner: the subscription then too, but never the turn.
/// When the conversation moves to another node, it subscribes again there and goes on.
class turn_feed : public std::enable_shared_from_this<turn_feed> {
public:
  /// More than `backlog_bytes_max` not taken breaks the feed.
  static std::shared_ptr<turn_feed> open(io_shard& shard, session_region_actor region,
                                         std::string_view conversation_id, std::string_view turn_id,
                                         std::size_t backlog_bytes_max);
  ~turn_feed();

  turn_feed(const turn_feed&) = delete;
  turn_feed& operator=(const turn_feed&) = delete;

  /// Asks for the events after `after_seq`, or after the last one that was taken. Gives the turn as
  /// it is now.
  asio::awaitable<caf::expected<Turn>> subscribe(v1::Context context, std::int64_t after_seq,
                                                 std::chrono::milliseconds limit);

  /// The next event; null when there is none yet. Valid until the next call.
  const v1::TurnEvent* next();

  /// Called when events came, or the feed broke. Empty clears it.
  void on_events(std::function<void()> handler) { on_events_ = std::move(handler); }

  /// No event comes any more: the reader did not keep up, the shard is at its bound, or the
  /// conversation moved and could not be found again.
  bool broken() const { return broken_; }

  std::string_view conversation_id() const { return conversation_id_; }
  std::string_view turn_id() const { return turn_id_; }

  /// Ends the subscription.
  void close();

private:
  turn_feed(io_shard& shard, session_region_actor region, std::string_view conversation_id,
            std::string_view turn_id, std::size_t backlog_bytes_max);

  asio::awaitable<caf::expected<Turn>> subscribe_after(v1::Context context, std::int64_t after_seq,
                                                       std::chrono::milliseconds limit);
  void take(caf::message& content);
  void follow();
  static asio::awaitable<void> find_again(std::shared_ptr<turn_feed> self);
  void drop_front();
  void drop_all();

  io_shard& shard_;
  session_region_actor region_;
  thin_string conversation_id_;
  thin_string turn_id_;
  std::size_t backlog_bytes_max_;
  std::shared_ptr<io_shard::mailbox> mailbox_;
  struct batch {
    TurnEvents events;
    std::size_t bytes;
  };
  std::vector<batch> waiting_; // those before first_ are taken
  std::size_t first_ = 0;
  std::size_t waiting_bytes_ = 0;
  int at_ = 0; // in the first batch
  std::function<void()> on_events_;
  std::int64_t last_seq_ = 0;
  bool subscribed_ = false;
  bool broken_ = false;
  bool following_ = false; // subscribes again
};

} // namespace troupe::gateway
