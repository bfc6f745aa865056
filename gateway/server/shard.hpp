// The gateway's I/O shard as it is: a thread, its io_context, an execution unit for actors, and
// timers.
#pragma once

#include "gateway/server/io_shard.hpp"
#include "gateway/server/timer_wheel.hpp"
#include "gateway/server/unique_call.hpp"
#include "messages/actor.hpp"

#include <boost/asio/steady_timer.hpp>
#include <caf/execution_unit.hpp>
#include <caf/mailbox_element.hpp>
#include <caf/monitorable_actor.hpp>
#include <caf/resumable.hpp>

#include <deque>
#include <mutex>
#include <thread>
#include <vector>

namespace troupe::gateway {

/// An actor without a mailbox: what it gets is handed to its shard's thread. Of two kinds: the one
/// that a shard asks with, and those of `open_mailbox`.
class shard_actor;

/// What comes in from actors. Outlives its shard as long as handles are held. Thread-safe.
class shard_inbox {
public:
  struct delivery {
    caf::intrusive_ptr<caf::actor_control_block> target;
    caf::mailbox_element_ptr element;
  };

  explicit shard_inbox(class shard& owner) : owner_(&owner) {}

  /// Hands it over, or answers a request with an error once the shard is gone.
  void deliver(shard_actor& target, caf::mailbox_element_ptr element);

private:
  friend class shard;
  static void refuse(const caf::mailbox_element& element);

  std::mutex mutex_;
  class shard* owner_; // null once stopped
  std::vector<delivery> waiting_;
  std::atomic<bool> any_waiting_{false};
};

/// See io_shard. All but `start`, `stop` and `post` only on the shard's thread.
class shard final : public io_shard {
public:
  shard(actor_host host, std::size_t index);
  ~shard() override;

  /// Starts the thread.
  void start();
  /// Answers all that wait with `cancelled`, gives actors waiting to run to the pool, and ends the
  /// thread. What coroutines still hold is destroyed with the shard.
  void stop();

  asio::io_context& context() override { return *context_; }
  std::size_t index() const override { return index_; }
  bool on_thread() const override;
  asio::awaitable<caf::expected<caf::message>> request(caf::strong_actor_ptr receiver,
                                                       caf::message content,
                                                       std::chrono::milliseconds limit) override;
  void send(const caf::strong_actor_ptr& receiver, caf::message content) override;
  std::shared_ptr<mailbox> open_mailbox(std::function<void(caf::message&)> handler) override;

  /// Runs `task` on the thread, soon, after the deliveries that wait.
  void defer(unique_call<void()> task);

  /// Monotonic microseconds.
  static std::int64_t now_us();
  void set_timer(timer& t, std::int64_t due_us);
  void set_timer(timer& t, std::chrono::milliseconds in) override {
    set_timer(t, now_us() + std::chrono::microseconds{in}.count());
  }

  /// Requests that wait for an answer.
  std::size_t asks_waiting() const { return asks_waiting_; }
  /// Answers all that wait with `err`.
  void fail_asks(const caf::error& err);

private:
  friend class shard_inbox;
  using answer = caf::expected<caf::message>;

  class unit final : public caf::execution_unit {
  public:
    unit(caf::actor_system* system, shard& owner) : execution_unit(system), owner_(owner) {}
    void exec_later(caf::resumable* job) override { owner_.run_later(job); }

  private:
    shard& owner_;
  };

  // One request in flight. Its message id is its place and a generation, so that a late answer
  // finds nobody.
  struct ask_slot final : timer {
    void expired() override;
    shard* owner = nullptr;
    std::uint64_t id = 0; // 0: free
    unique_call<void(answer)> waiter;
  };

  void begin_ask(caf::strong_actor_ptr receiver, caf::message content,
                 std::chrono::milliseconds limit, unique_call<void(answer)> waiter);
  void finish_ask(std::uint64_t id, answer result);
  void run_later(caf::resumable* job);
  void schedule_drain();
  void drain();
  void take_inbox();
  void handle(shard_inbox::delivery& d);
  void resume(caf::resumable* job);
  void arm_clock();
  void on_clock();
  void clear();

  actor_host host_;
  std::size_t index_;
  unit unit_;
  timer_wheel wheel_;
  std::deque<ask_slot> asks_;
  std::vector<std::uint32_t> free_asks_;
  std::uint64_t ask_generation_ = 0;
  std::size_t asks_waiting_ = 0;
  std::shared_ptr<shard_inbox> inbox_;
  std::deque<shard_inbox::delivery> deliveries_;
  std::vector<shard_inbox::delivery> taken_;
  std::deque<unique_call<void()>> tasks_;
  std::deque<caf::resumable*> runnable_;
  bool drain_scheduled_ = false;
  bool draining_ = false;
  caf::strong_actor_ptr asker_;
  std::unique_ptr<asio::io_context> context_;
  std::optional<asio::executor_work_guard<asio::io_context::executor_type>> work_;
  std::optional<asio::steady_timer> clock_;
  std::int64_t clock_due_us_ = 0; // 0: not armed
  std::thread thread_;
};

} // namespace troupe::gateway
