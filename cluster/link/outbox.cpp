#include "cluster/link/outbox.hpp"

#include <algorithm>
#include <utility>

namespace troupe::link {

namespace {

constexpr std::size_t kept_max = 1'048'576;                // of a buffer's memory, once it is empty
constexpr std::int64_t credit_max = std::int64_t{1} << 40; // more would be no bound

void emptied(std::string& buffer) {
  if (buffer.capacity() > kept_max)
    buffer = std::string{};
  else
    buffer.clear();
}

} // namespace

outbox::outbox(const outbox_limits& limits, std::function<void()> wake) :
    limits_(limits), wake_(std::move(wake)) {}

outbox::result outbox::request(const v1::RemoteRequest& request, std::uint64_t id,
                               std::int64_t limit_ms, std::uint64_t subscription) {
  std::string more;
  append_varint_field(more, v1::RemoteRequest::kIdFieldNumber, id);
  append_varint_field(more, v1::RemoteRequest::kLimitMsFieldNumber,
                      static_cast<std::uint64_t>(limit_ms));
  append_varint_field(more, v1::RemoteRequest::kSubscriptionFieldNumber, subscription);
  return put(frame_kind::request, request, more, when::bounded);
}

outbox::result outbox::answer(std::uint64_t id, const v1::RemoteAnswer& answer) {
  std::string more;
  append_varint_field(more, v1::RemoteAnswer::kIdFieldNumber, id);
  return put(frame_kind::answer, answer, more, when::always);
}

outbox::result outbox::events(std::uint64_t id, const v1::TurnEvents& events) {
  v1::RemoteEvents wrapper;
  wrapper.set_id(id);
  // Lent for the time of the call: the wrapper must not free it.
  wrapper.unsafe_arena_set_allocated_events(const_cast<v1::TurnEvents*>(&events));
  auto done = put(frame_kind::events, wrapper, {}, when::bounded);
  wrapper.unsafe_arena_release_events();
  return done;
}

outbox::result outbox::lost(std::uint64_t id) {
  v1::RemoteEvents wrapper;
  wrapper.set_id(id);
  wrapper.set_lost(true);
  return put(frame_kind::events, wrapper, {}, when::always);
}

outbox::result outbox::beat(const v1::LinkBeat& beat) {
  std::unique_lock lock{mutex_};
  if (closed_)
    return result::closed;
  append_frame(first_, frame_kind::beat, beat);
  ++frames_;
  auto woken = wanted();
  lock.unlock();
  call_if(woken);
  return result::put;
}

outbox::result outbox::put(frame_kind kind, const google::protobuf::MessageLite& message,
                           std::string_view more, when which) {
  auto size = static_cast<std::int64_t>(frame_bytes(message.ByteSizeLong() + more.size()));
  if (size > limits_.frame_bytes_max)
    return result::too_long;
  std::unique_lock lock{mutex_};
  if (closed_)
    return result::closed;
  auto queued = queued_.load(std::memory_order_relaxed);
  if (queued + size > limits_.queue_bytes_max) {
    if (which == when::bounded)
      return result::full;
    overrun_ = queued > 2 * limits_.queue_bytes_max;
  }
  bool waits = kind != frame_kind::answer && (credit_ <= 0 || !sizes_.empty());
  append_frame(waits ? waiting_ : ready_, kind, message, more);
  if (waits) {
    sizes_.push_back(static_cast<std::size_t>(size));
  } else {
    credit_ -= size;
    ++frames_;
  }
  count();
  auto woken = !waits && wanted();
  lock.unlock();
  call_if(woken);
  return result::put;
}

void outbox::granted(std::int64_t bytes) {
  std::unique_lock lock{mutex_};
  credit_ = std::min(credit_ + std::clamp<std::int64_t>(bytes, 0, credit_max), credit_max);
  auto end = waiting_at_;
  while (credit_ > 0 && !sizes_.empty()) {
    credit_ -= static_cast<std::int64_t>(sizes_.front());
    end += sizes_.front();
    ++frames_;
    sizes_.pop_front();
  }
  ready_.append(waiting_, waiting_at_, end - waiting_at_);
  waiting_at_ = end;
  if (sizes_.empty()) {
    emptied(waiting_);
    waiting_at_ = 0;
  } else if (waiting_at_ > waiting_.size() / 2) {
    waiting_.erase(0, waiting_at_);
    waiting_at_ = 0;
  }
  auto woken = !ready_.empty() && wanted();
  lock.unlock();
  call_if(woken);
}

void outbox::handled(std::int64_t bytes) {
  held_.fetch_sub(bytes, std::memory_order_relaxed);
  auto piece = limits_.grant_bytes / 4;
  if (returned_.fetch_add(bytes, std::memory_order_relaxed) + bytes < piece)
    return;
  v1::LinkCredit credit;
  credit.set_bytes(returned_.exchange(0, std::memory_order_relaxed));
  std::unique_lock lock{mutex_};
  if (closed_)
    return;
  append_frame(first_, frame_kind::credit, credit);
  ++frames_;
  auto woken = wanted();
  lock.unlock();
  call_if(woken);
}

std::size_t outbox::take(std::string& to) {
  emptied(to);
  std::lock_guard guard{mutex_};
  if (first_.empty()) {
    to.swap(ready_);
  } else {
    to.swap(first_);
    to += ready_;
    emptied(ready_);
  }
  idle_ = to.empty();
  count();
  return std::exchange(frames_, 0);
}

void outbox::close() {
  std::lock_guard guard{mutex_};
  closed_ = true;
  first_ = {};
  ready_ = {};
  waiting_ = {};
  sizes_ = {};
  waiting_at_ = 0;
  count();
}

bool outbox::wanted() { return std::exchange(idle_, false) && !closed_; }

void outbox::count() {
  queued_.store(static_cast<std::int64_t>(ready_.size() + waiting_.size() - waiting_at_),
                std::memory_order_relaxed);
}

} // namespace troupe::link
