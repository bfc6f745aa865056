#include "gateway/api/turn_feed.hpp"

#include <algorithm>

namespace troupe::gateway {

turn_feed::turn_feed(io_shard& shard, session_region_actor region, std::string conversation_id,
                     std::string turn_id) :
    shard_(shard),
    region_(std::move(region)),
    conversation_id_(std::move(conversation_id)),
    turn_id_(std::move(turn_id)) {}

std::shared_ptr<turn_feed> turn_feed::open(io_shard& shard, session_region_actor region,
                                           std::string conversation_id, std::string turn_id) {
  std::shared_ptr<turn_feed> feed{
      new turn_feed{shard, std::move(region), std::move(conversation_id), std::move(turn_id)}};
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
  command.set_conversation_id(conversation_id_);
  command.set_turn_id(turn_id_);
  command.set_after_seq(last_seq_);
  SubscribeTurn message{std::move(command)};
  auto sink = caf::actor_cast<turn_sink_actor>(mailbox_->address());
  subscribed_ = true;
  auto turn = co_await ask<Turn>(shard_, region_, limit, std::move(message), std::move(sink));
  co_return turn;
}

void turn_feed::deliver_to(event_handler handler) {
  handler_ = std::move(handler);
  while (handler_ && !waiting_.empty()) {
    auto batch = std::move(waiting_.front());
    waiting_.pop_front();
    hand_on(batch);
  }
}

void turn_feed::close() {
  handler_ = nullptr;
  waiting_.clear();
  if (!mailbox_)
    return;
  if (subscribed_) {
    v1::UnsubscribeTurn command;
    command.set_conversation_id(conversation_id_);
    command.set_turn_id(turn_id_);
    tell(shard_, region_, UnsubscribeTurn{std::move(command)},
         caf::actor_cast<turn_sink_actor>(mailbox_->address()));
  }
  mailbox_->close();
  mailbox_.reset();
}

void turn_feed::take(caf::message& content) {
  if (!mailbox_ || !content.match_elements<TurnEvents>())
    return;
  const auto& batch = content.get_as<TurnEvents>(0);
  if (handler_)
    hand_on(batch);
  else
    waiting_.push_back(batch);
}

void turn_feed::hand_on(const TurnEvents& batch) {
  for (const auto& event : batch->events()) {
    // A second subscription may repeat what was there.
    if (event.seq() <= last_seq_)
      continue;
    last_seq_ = event.seq();
    // The handler may close this feed.
    auto handler = handler_;
    if (!handler)
      return;
    handler(event);
  }
}

} // namespace troupe::gateway
