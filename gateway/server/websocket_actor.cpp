#include "gateway/server/websocket_actor.hpp"

#include <boost/asio/post.hpp>

namespace troupe::gateway {

namespace {

constexpr int code_try_later = 1013;

} // namespace

void frame_gate::send(std::string text) {
  std::unique_lock lock{mutex_};
  if (sink_ == nullptr)
    return;
  auto size = text.size();
  if (on_the_way_ + size > bytes_max_) {
    lock.unlock();
    close(code_try_later, "too slow a reader");
    return;
  }
  on_the_way_ += size;
  boost::asio::post(*context_, [self = shared_from_this(), size, t = std::move(text)]() mutable {
    frame_sink* sink = nullptr;
    {
      std::lock_guard guard{self->mutex_};
      self->on_the_way_ -= size;
      sink = self->sink_;
    }
    if (sink != nullptr)
      sink->send_frame(std::move(t));
  });
}

void frame_gate::close(int code, std::string reason) {
  std::lock_guard lock{mutex_};
  if (sink_ == nullptr)
    return;
  boost::asio::post(*context_, [self = shared_from_this(), code, r = std::move(reason)]() mutable {
    // Only the shard's thread shuts the gate, and this is it.
    if (self->sink_ != nullptr)
      self->sink_->close_frame(code, std::move(r));
  });
}

void frame_gate::redirect(frame_sink& sink) {
  std::lock_guard lock{mutex_};
  sink_ = &sink;
}

void frame_gate::shut() {
  std::lock_guard lock{mutex_};
  sink_ = nullptr;
}

socket_actor::behavior_type websocket(self_pointer<socket_actor, websocket_state>,
                                      std::shared_ptr<frame_gate> gate) {
  return {
      [gate](const SendFrame& m) { gate->send(m->text()); },
      [gate](const CloseSocket& m) { gate->close(m->code(), m->reason()); },
  };
}

} // namespace troupe::gateway
