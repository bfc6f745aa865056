// The thread of the links: an io_context, and a place where actors run that were reached from it. A
// request that came over a link, its service and its answer then cost no other thread's wake-up
// (docs/decisions/0001, 0013).
#pragma once

#include "messages/actor.hpp"

#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/io_context.hpp>
#include <caf/actor_cast.hpp>
#include <caf/execution_unit.hpp>
#include <caf/make_message.hpp>
#include <caf/resumable.hpp>

#include <deque>
#include <functional>
#include <optional>
#include <thread>
#include <vector>

namespace troupe::link {

namespace asio = boost::asio;

class io_thread final : public caf::execution_unit {
public:
  io_thread() = default;
  ~io_thread() override;

  asio::io_context& context() { return context_; }

  void start(caf::actor_system& system);
  bool on_thread() const;

  /// Closes what `last` closes, on the thread, hands actors that wait to run to the pool, and joins
  /// the thread. Not on the thread itself; idempotent.
  void stop(std::function<void()> last);

  /// Runs `task` on the thread once the actors that wait have run, so that it sees all they did.
  void after_actors(std::function<void()> task);

  /// Sends to an actor, if there is one; it runs here if it is idle. Only on the thread.
  template <class Handle, class... Args>
  void send(const Handle& to, Args... args) {
    if (to)
      caf::actor_cast<caf::abstract_actor*>(to)->enqueue(
          nullptr, caf::make_message_id(), caf::make_message(std::move(args)...), this);
  }

  void exec_later(caf::resumable* job) override;

private:
  void drain();
  void schedule();

  asio::io_context context_{1};
  std::optional<asio::executor_work_guard<asio::io_context::executor_type>> work_;
  std::deque<caf::resumable*> runnable_;
  std::vector<std::function<void()>> after_;
  bool scheduled_ = false;
  bool stopping_ = false;
  std::thread thread_;
};

} // namespace troupe::link
