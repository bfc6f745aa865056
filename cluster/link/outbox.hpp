// What one side of a link has to send: whole frames, as many as the other side has room for. Actors
// put, the thread of the links takes; a message is serialised where it is put. Thread-safe, without
// actors and without sockets.
#pragma once

#include "cluster/link/frame.hpp"
#include "troupe/v1/cluster.pb.h"

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <functional>
#include <mutex>
#include <string>
#include <string_view>

namespace troupe::link {

struct outbox_limits {
  std::int64_t queue_bytes_max = 0; // not sent yet
  std::int64_t frame_bytes_max = 0; // the other side ends the link at a longer one
  std::int64_t grant_bytes = 0;     // what the other side may send before it is granted more
};

/// Requests, answers and events use up what the other side granted, in bytes of frames, and are
/// sent while any of it is left: one frame may go beyond. Answers do not wait for it: their number
/// is bounded by the requests, and a service that waits for an answer must not wait for its own
/// caller. Beats and grants use up nothing.
class outbox {
public:
  /// `wake` is called, on any thread, when there is something to take after nothing was.
  outbox(const outbox_limits& limits, std::function<void()> wake);

  enum class result {
    put,
    full,     // too much waits already: nothing was put
    too_long, // no frame may have this size
    closed,   // the link is gone
  };

  /// Sends `request` under this id and with this limit instead of its own.
  result request(const v1::RemoteRequest& request, std::uint64_t id, std::int64_t limit_ms,
                 std::uint64_t subscription);
  /// Never `full`: a link whose answers pile up beyond `queue_bytes_max` is `overrun`.
  result answer(std::uint64_t id, const v1::RemoteAnswer& answer);
  result events(std::uint64_t id, const v1::TurnEvents& events);
  /// After all events of the subscription that wait; takes no notice of the bound.
  result lost(std::uint64_t id);
  /// Goes before all others.
  result beat(const v1::LinkBeat& beat);

  /// The other side granted more.
  void granted(std::int64_t bytes);
  /// Frames of that many bytes were taken in, and wait to be handled.
  void taken_in(std::int64_t bytes) { held_.fetch_add(bytes, std::memory_order_relaxed); }
  /// And now they are: the other side is granted as much again, in pieces worth a frame.
  void handled(std::int64_t bytes);

  /// Moves what may be sent now to `to`, whose content goes, and says how many frames that is.
  /// None: `wake` will be called.
  std::size_t take(std::string& to);

  /// From now on every put is `closed`.
  void close();

  std::int64_t queued_bytes() const { return queued_.load(std::memory_order_relaxed); }
  /// What the other side sent and is not handled yet.
  std::int64_t held_bytes() const { return held_.load(std::memory_order_relaxed); }
  /// More answers wait than the link may hold: the other side does not read.
  bool overrun() const { return overrun_.load(std::memory_order_relaxed); }

private:
  enum class when { bounded, always };
  result put(frame_kind kind, const google::protobuf::MessageLite& message, std::string_view more,
             when which);
  void call_if(bool woken) const {
    if (woken)
      wake_();
  }
  bool wanted(); // whether `wake_` is due, once the lock is free
  void count();

  outbox_limits limits_;
  std::function<void()> wake_;
  std::atomic<std::int64_t> queued_{0};
  std::atomic<std::int64_t> held_{0};
  std::atomic<std::int64_t> returned_{0}; // handled and not granted yet
  std::atomic<bool> overrun_{false};
  std::mutex mutex_;
  std::string first_;             // beats and grants
  std::string ready_;             // may be sent
  std::string waiting_;           // for credit
  std::deque<std::size_t> sizes_; // of the frames in `waiting_`
  std::size_t waiting_at_ = 0;    // where the first of them begins
  std::size_t frames_ = 0;        // in `first_` and `ready_`
  std::int64_t credit_ = 0;
  bool idle_ = true; // nothing was taken since `take` gave nothing
  bool closed_ = false;
};

} // namespace troupe::link
