#include "gateway/api/turn_feed.hpp"

#include <algorithm>

namespace troupe::gateway {

namespace {

constexpr std::size_t taken_kept_max = 64; // batches that are taken, until there is room to gain

} // namespace

turn_feed::turn_feed(io_shard& shard, session_region_actor region, std::string_view conversation_id,
                     std::string_view turn_id, std::size_t backlog_bytes_max) :
    shard_(shard),
    region_(std::move(region)),
    conversation_id_(conversation_id),
    turn_id_(turn_id),
    backlog_bytes_max_(backlog_bytes_max) {}

std::shared_ptr<turn_feed> turn_feed::open(io_shard& shard, session_region_actor region,
                                           std::string_view conversation_id,
                                           std::string_view turn_id,
                                           std::size_t backlog_bytes_max) {
  std::shared_ptr<turn_feed> feed{
      new turn_feed{shard, std::move(region), conversation_id, turn_id, backlog_bytes_max}};
  feed->mailbox_ = shard.open_mailbox([weak = std::weak_ptr{feed}](caf::message& content) {
    if (auto self = weak.lock())
      self->take(content);
  });
  return feed;
}

turn_feed::~turn_feed() { close(); }

asio::awaitable<caf::expected<Turn>>
turn_feed::subscribe(v1::Context context, std::int64_t after_seq, std::chrono::milliseconds limit) {
  auto self = shared_from_this();
  last_seq_ = std::max(last_seq_, after_seq);
  v1::SubscribeTurn command;
  *command.mutable_context() = std::move(context);
  command.set_conversation_id(conversation_id_.str());
  command.set_turn_id(turn_id_.str());
  command.set_after_seq(last_seq_);
  SubscribeTurn message{std::move(command)};
  auto sink = caf::actor_cast<turn_sink_actor>(mailbox_->address());
  subscribed_ = true;
  auto turn = co_await ask<Turn>(shard_, region_, limit, std::move(message), std::move(sink));
  co_return turn;
}

const v1::TurnEvent* turn_feed::next() {
  while (first_ < waiting_.size()) {
    const auto& events = waiting_[first_].events->events();
    if (at_ == events.size()) {
      drop_front();
      continue;
    }
    const auto& event = events.Get(at_++);
    // A second subscription may repeat what was there.
    if (event.seq() > last_seq_) {
      last_seq_ = event.seq();
      return &event;
    }
  }
  drop_all(); // a reader waits most of the time
  return nullptr;
}

void turn_feed::drop_front() {
  auto& front = waiting_[first_++];
  waiting_bytes_ -= front.bytes;
  front.events = {};
  at_ = 0;
  if (first_ >= taken_kept_max) {
    waiting_.erase(waiting_.begin(), waiting_.begin() + static_cast<std::ptrdiff_t>(first_));
    first_ = 0;
  }
}

void turn_feed::drop_all() {
  std::vector<batch>{}.swap(waiting_);
  first_ = 0;
  waiting_bytes_ = 0;
  at_ = 0;
}

void turn_feed::close() {
  on_events_ = nullptr;
  if (!mailbox_)
    return;
  if (subscribed_) {
    v1::UnsubscribeTurn command;
    command.set_conversation_id(conversation_id_.str());
    command.set_turn_id(turn_id_.str());
    tell(shard_, region_, UnsubscribeTurn{std::move(command)},
         caf::actor_cast<turn_sink_actor>(mailbox_->address()));
  }
  mailbox_->close();
  mailbox_.reset();
}

void turn_feed::take(caf::message& content) {
  if (broken_)
    return;
  if (content.match_elements<TurnEvents>()) {
    auto events = content.get_as<TurnEvents>(0);
    auto bytes = events->ByteSizeLong();
    waiting_bytes_ += bytes;
    waiting_.push_back({std::move(events), bytes});
    broken_ = waiting_bytes_ > backlog_bytes_max_;
  } else {
    broken_ = true; // the mailbox was at its bound
  }
  if (broken_)
    drop_all();
  if (auto handler = on_events_)
    handler();
}

} // namespace troupe::gateway
