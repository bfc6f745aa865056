#include "cluster/link/io_thread.hpp"

#include <boost/asio/post.hpp>
#include <caf/scheduler/abstract_coordinator.hpp>

#include <utility>

namespace troupe::link {

namespace {

using clock = std::chrono::steady_clock;

// How much one turn of the loop gives to actors before sockets and beats are looked at.
constexpr int drain_steps_max = 256;
constexpr std::chrono::milliseconds drain_time_max{1};
constexpr std::size_t actor_throughput = 64;

thread_local const io_thread* current = nullptr;

} // namespace

io_thread::~io_thread() { stop({}); }

void io_thread::start(caf::actor_system& system) {
  system_ = &system;
  work_.emplace(context_.get_executor());
  thread_ = std::thread{[this] {
    current = this;
    context_.run();
    context_.restart();
    context_.poll(); // what was closed at the end is told so
    current = nullptr;
  }};
}

bool io_thread::on_thread() const { return current == this; }

void io_thread::stop(std::function<void()> last) {
  if (!thread_.joinable())
    return;
  asio::post(context_, [this, last = std::move(last)] {
    if (last)
      last();
    stopping_ = true; // from now on actors run in the pool
    drain();
    work_.reset();
    context_.stop();
  });
  thread_.join();
}

void io_thread::after_actors(std::function<void()> task) {
  after_.push_back(std::move(task));
  schedule();
}

void io_thread::exec_later(caf::resumable* job) {
  if (stopping_) {
    system_->scheduler().enqueue(job);
    return;
  }
  runnable_.push_back(job);
  schedule();
}

void io_thread::schedule() {
  if (std::exchange(scheduled_, true))
    return;
  asio::post(context_, [this] { drain(); });
}

void io_thread::drain() {
  if (stopping_) {
    for (auto* job : std::exchange(runnable_, {}))
      system_->scheduler().enqueue(job);
    after_.clear();
    return;
  }
  auto until = clock::now() + drain_time_max;
  for (int step = 0; step < drain_steps_max && !runnable_.empty(); ++step) {
    auto* job = runnable_.front();
    runnable_.pop_front();
    switch (job->resume(this, actor_throughput)) {
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
    if (step % 8 == 7 && clock::now() > until)
      break;
  }
  for (auto& task : std::exchange(after_, {}))
    task();
  scheduled_ = false;
  if (!runnable_.empty() || !after_.empty())
    schedule();
}

} // namespace troupe::link
