#include "gateway/server/shard.hpp"

#include "gateway/server/shard_actor.hpp"

#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <caf/sec.hpp>

namespace troupe::gateway {

namespace {

// How much one turn of the I/O loop gives to actors and coroutines before sockets are looked at.
constexpr int drain_steps_max = 256;
constexpr std::int64_t drain_us_max = 1'000;
constexpr std::size_t actor_throughput = 16;

constexpr int ask_place_bits = 24;
constexpr std::uint64_t ask_place_mask = (1u << ask_place_bits) - 1;
constexpr std::uint64_t ask_generation_mask = (std::uint64_t{1} << 32) - 1;

thread_local const shard* current_shard = nullptr;

} // namespace

// -- the inbox ------------------------------------------------------------------------------------

void shard_inbox::refuse(const caf::mailbox_element& element) {
  if (element.sender != nullptr && element.mid.is_request())
    element.sender->enqueue(nullptr, element.mid.response_id(),
                            caf::make_message(make_error(ec::draining, "the I/O shard has ended")),
                            nullptr);
}

void shard_inbox::deliver(shard_actor& target, caf::mailbox_element_ptr element) {
  delivery d{caf::intrusive_ptr<caf::actor_control_block>{target.ctrl()}, std::move(element)};
  if (current_shard != nullptr && current_shard->inbox_.get() == this) {
    // What other threads sent before comes first: an actor may have moved here from the pool.
    auto& here = *owner_;
    here.take_inbox();
    here.deliveries_.push_back(std::move(d));
    here.schedule_drain();
    return;
  }
  std::unique_lock lock{mutex_};
  if (owner_ == nullptr) {
    lock.unlock();
    refuse(*d.element);
    return;
  }
  waiting_.push_back(std::move(d));
  if (!any_waiting_.exchange(true))
    asio::post(*owner_->context_, [here = owner_] { here->drain(); });
}

// -- life -----------------------------------------------------------------------------------------

shard::shard(actor_host host, std::size_t index) :
    host_(host),
    index_(index),
    unit_(host.system, *this),
    wheel_(now_us()),
    inbox_(std::make_shared<shard_inbox>(*this)),
    asker_(make_asker(host_, inbox_)),
    context_(std::make_unique<asio::io_context>(1)),
    work_(context_->get_executor()),
    clock_(*context_) {}

shard::~shard() {
  stop();
  clear();
}

void shard::start() {
  thread_ = std::thread{[this] {
    current_shard = this;
    context_->run();
    current_shard = nullptr;
  }};
}

void shard::stop() {
  if (!thread_.joinable())
    return;
  asio::post(*context_, [this] {
    fail_asks(make_error(ec::cancelled, "the node is shutting down"));
    // One turn for those who waited, then the end.
    asio::post(*context_, [this] { context_->stop(); });
  });
  thread_.join();
  clear();
}

void shard::clear() {
  std::vector<shard_inbox::delivery> undelivered;
  {
    std::lock_guard guard{inbox_->mutex_};
    inbox_->owner_ = nullptr;
    undelivered.swap(inbox_->waiting_);
  }
  for (auto& d : undelivered)
    shard_inbox::refuse(*d.element);
  for (auto& d : deliveries_)
    shard_inbox::refuse(*d.element);
  deliveries_.clear();
  for (auto* job : std::exchange(runnable_, {}))
    host_.system->scheduler().enqueue(job);
  if (asker_ != nullptr)
    end_shard_actor(std::exchange(asker_, nullptr));
  tasks_.clear();
  for (auto& slot : asks_) {
    slot.cancel();
    slot.waiter.reset();
  }
  clock_.reset();
  work_.reset();
}

bool shard::on_thread() const { return current_shard == this; }

std::int64_t shard::now_us() {
  using namespace std::chrono;
  return duration_cast<microseconds>(steady_clock::now().time_since_epoch()).count();
}

// -- asking ---------------------------------------------------------------------------------------

asio::awaitable<caf::expected<caf::message>> shard::request(caf::strong_actor_ptr receiver,
                                                            caf::message content,
                                                            std::chrono::milliseconds limit) {
  return asio::async_initiate<const asio::use_awaitable_t<>, void(answer)>(
      [this, limit](auto handler, caf::strong_actor_ptr to, caf::message what) {
        begin_ask(std::move(to), std::move(what), limit,
                  unique_call<void(answer)>{std::move(handler)});
      },
      asio::use_awaitable, std::move(receiver), std::move(content));
}

void shard::begin_ask(caf::strong_actor_ptr receiver, caf::message content,
                      std::chrono::milliseconds limit, unique_call<void(answer)> waiter) {
  if (free_asks_.empty()) {
    if (asks_.size() > ask_place_mask || asker_ == nullptr) {
      defer([w = std::move(waiter)]() mutable {
        w(make_error(ec::overloaded, "too many requests wait on this I/O shard"));
      });
      return;
    }
    free_asks_.push_back(static_cast<std::uint32_t>(asks_.size()));
    asks_.emplace_back().owner = this;
  }
  auto place = free_asks_.back();
  free_asks_.pop_back();
  ask_generation_ = ask_generation_ % ask_generation_mask + 1;
  auto& slot = asks_[place];
  slot.id = ask_generation_ << ask_place_bits | place;
  slot.waiter = std::move(waiter);
  ++asks_waiting_;
  set_timer(slot, limit);
  auto mid = caf::make_message_id(slot.id);
  if (receiver == nullptr) {
    defer(
        [this, id = slot.id] { finish_ask(id, caf::make_error(caf::sec::request_receiver_down)); });
    return;
  }
  receiver->enqueue(asker_, mid, std::move(content), &unit_);
}

void shard::finish_ask(std::uint64_t id, answer result) {
  auto place = id & ask_place_mask;
  if (place >= asks_.size() || asks_[place].id != id || id == 0)
    return; // late
  auto& slot = asks_[place];
  slot.id = 0;
  slot.cancel();
  --asks_waiting_;
  free_asks_.push_back(static_cast<std::uint32_t>(place));
  auto waiter = std::move(slot.waiter);
  waiter(std::move(result));
}

void shard::ask_slot::expired() {
  // Not from inside the wheel: who waited goes on as a task of its own.
  owner->defer([shard_of = owner, late = id] {
    shard_of->finish_ask(late, caf::make_error(caf::sec::request_timeout));
  });
}

void shard::fail_asks(const caf::error& err) {
  // Who is told may ask anew.
  for (std::size_t i = 0; i < asks_.size(); ++i) // NOLINT(modernize-loop-convert)
    if (asks_[i].id != 0)
      finish_ask(asks_[i].id, err);
}

void shard::send(const caf::strong_actor_ptr& receiver, caf::message content) {
  if (receiver != nullptr)
    receiver->enqueue(asker_, caf::make_message_id(), std::move(content), &unit_);
}

// -- running --------------------------------------------------------------------------------------

void shard::run_later(caf::resumable* job) {
  runnable_.push_back(job);
  schedule_drain();
}

void shard::defer(unique_call<void()> task) {
  tasks_.push_back(std::move(task));
  schedule_drain();
}

void shard::schedule_drain() {
  if (drain_scheduled_ || draining_)
    return;
  drain_scheduled_ = true;
  asio::post(*context_, [this] {
    drain_scheduled_ = false;
    drain();
  });
}

void shard::drain() {
  draining_ = true;
  auto until = now_us() + drain_us_max;
  take_inbox();
  for (int step = 0; step < drain_steps_max; ++step) {
    if (!deliveries_.empty()) {
      auto d = std::move(deliveries_.front());
      deliveries_.pop_front();
      handle(d);
    } else if (!tasks_.empty()) {
      auto task = std::move(tasks_.front());
      tasks_.pop_front();
      task();
    } else if (!runnable_.empty()) {
      auto* job = runnable_.front();
      runnable_.pop_front();
      resume(job);
    } else {
      break;
    }
    if (step % 8 == 7 && now_us() > until)
      break;
  }
  draining_ = false;
  if (!deliveries_.empty() || !tasks_.empty() || !runnable_.empty())
    schedule_drain();
}

void shard::take_inbox() {
  if (!inbox_->any_waiting_.load(std::memory_order_acquire))
    return;
  {
    std::lock_guard guard{inbox_->mutex_};
    taken_.swap(inbox_->waiting_);
    inbox_->any_waiting_ = false;
  }
  for (auto& d : taken_)
    deliveries_.push_back(std::move(d));
  taken_.clear();
}

void shard::handle(shard_inbox::delivery& d) {
  if (d.target.get() != asker_.get()) {
    static_cast<mailbox_actor*>(d.target->get())->handle(std::move(d.element));
    return;
  }
  if (!d.element->mid.is_response())
    return;
  auto& content = d.element->content();
  if (content.match_elements<caf::error>())
    finish_ask(d.element->mid.request_id().integer_value(), content.get_as<caf::error>(0));
  else
    finish_ask(d.element->mid.request_id().integer_value(), d.element->move_content_to_message());
}

void shard::resume(caf::resumable* job) {
  switch (job->resume(&unit_, actor_throughput)) {
    case caf::resumable::resume_later:
      runnable_.push_back(job);
      break;
    case caf::resumable::done:
    case caf::resumable::awaiting_message:
      caf::intrusive_ptr_release(job);
      break;
    case caf::resumable::shutdown_execution_unit:
      break;
  }
}

// -- time -----------------------------------------------------------------------------------------

void shard::set_timer(timer& t, std::int64_t due_us) {
  wheel_.set(t, due_us);
  if (clock_due_us_ == 0 || due_us + timer_wheel::tick_us < clock_due_us_)
    arm_clock();
}

void shard::arm_clock() {
  auto next = wheel_.next_us();
  clock_due_us_ = next.value_or(0);
  if (!next || !clock_)
    return;
  clock_->expires_at(std::chrono::steady_clock::time_point{std::chrono::microseconds{*next}});
  clock_->async_wait([this](const boost::system::error_code& e) {
    if (!e)
      on_clock();
  });
}

void shard::on_clock() {
  wheel_.advance(now_us());
  arm_clock();
}

} // namespace troupe::gateway
