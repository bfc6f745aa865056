// A WebSocket as actors see it: a `socket_actor`, and the gate between it and the I/O shard.
#pragma once

#include "messages/actor.hpp"
#include "messages/interfaces.hpp"

#include <boost/asio/io_context.hpp>

#include <memory>
#include <mutex>
#include <string>

namespace troupe::gateway {

/// The WebSocket's own side; on its shard's thread.
class frame_sink {
public:
  virtual ~frame_sink() = default;
  virtual void send_frame(std::string text) = 0;
  virtual void close_frame(int code, std::string reason) = 0;
};

/// Brings frames of actors on any thread to the shard's. Bounded: over `bytes_max` on the way the
/// WebSocket is closed.
class frame_gate : public std::enable_shared_from_this<frame_gate> {
public:
  frame_gate(boost::asio::io_context& context, frame_sink& sink, std::size_t bytes_max) :
      context_(&context), sink_(&sink), bytes_max_(bytes_max) {}

  void send(std::string text);
  void close(int code, std::string reason);
  /// On the shard's thread: frames go to `sink` from now on.
  void redirect(frame_sink& sink);
  /// On the shard's thread: the WebSocket is gone.
  void shut();

private:
  std::mutex mutex_;
  boost::asio::io_context* context_;
  frame_sink* sink_; // null once shut
  std::size_t bytes_max_;
  std::size_t on_the_way_ = 0;
};

struct websocket_state {
  static inline const char* name = "socket";
};

socket_actor::behavior_type websocket(self_pointer<socket_actor, websocket_state> self,
                                      std::shared_ptr<frame_gate> gate);

} // namespace troupe::gateway
