#include "gateway/api/turn_feed.hpp"

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>

#include <algorithm>
#include <utility>

namespace troupe::gateway {

namespace {

constexpr std::size_t taken_kept_max = 64; // batches that are taken, until there is room to gain
constexpr std::chrono::seconds follow_limit{30};

/// The last word of a session whose shard went to another node, or of a link that broke.
bool tells_of_move(const v1::TurnEvents& batch) {
  return batch.events_size() == 1 && batch.events(0).has_failed()
         && batch.events(0).failed().failure().code() == info(ec::not_owner).name;
}

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
  last_seq_ = std::max(last_seq_, after_seq);
  return subscribe_after(std::move(context), last_seq_, limit);
}

asio::awaitable<caf::expected<Turn>> turn_feed::subscribe_after(v1::Context context,
                                                                std::int64_t after_seq,
                                                                std::chrono::milliseconds limit) {
  auto self = shared_from_this();
  v1::SubscribeTurn command;
  *command.mutable_context() = std::move(context);
  command.set_conversation_id(conversation_id_.str());
  command.set_turn_id(turn_id_.str());
  command.set_after_seq(after_seq);
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
    if (tells_of_move(*events)) {
      follow();
      return;
    }
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

void turn_feed::follow() {
  if (std::exchange(following_, true))
    return;
  asio::co_spawn(shard_.context(), find_again(shared_from_this()), asio::detached);
}

// Who subscribed once may read on: it needs no context of its own.
asio::awaitable<void> turn_feed::find_again(std::shared_ptr<turn_feed> self) {
  v1::Context context;
  // After what came, taken or not: the rest follows it without a gap.
  auto seen = self->last_seq_;
  for (auto i = self->first_; i < self->waiting_.size(); ++i)
    if (const auto& events = self->waiting_[i].events->events(); !events.empty())
      seen = std::max(seen, events.rbegin()->seq());
  auto found = co_await self->subscribe_after(std::move(context), seen, follow_limit);
  self->following_ = false;
  if (found || !self->mailbox_)
    co_return;
  self->broken_ = true;
  self->drop_all();
  if (auto handler = self->on_events_)
    handler();
}

} // namespace troupe::gateway
