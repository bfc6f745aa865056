#include "gateway/ops/worker_pool.hpp"

#include <csignal>
#include <utility>

namespace troupe::gateway::ops {

worker_pool::worker_pool(std::size_t threads, std::size_t queue_max) : queue_max_(queue_max) {
  sigset_t all;
  sigset_t before;
  sigfillset(&all);
  pthread_sigmask(SIG_SETMASK, &all, &before);
  for (std::size_t i = 0; i < threads; ++i)
    threads_.emplace_back([this] { run(); });
  pthread_sigmask(SIG_SETMASK, &before, nullptr);
}

worker_pool::~worker_pool() { stop(); }

bool worker_pool::submit(std::function<void()> work) {
  std::lock_guard guard{mutex_};
  if (stopping_ || waiting_.size() >= queue_max_)
    return false;
  waiting_.push_back(std::move(work));
  changed_.notify_one();
  return true;
}

void worker_pool::stop() {
  std::deque<std::function<void()>> dropped;
  {
    std::lock_guard guard{mutex_};
    stopping_ = true;
    dropped.swap(waiting_);
    changed_.notify_all();
  }
  for (auto& t : threads_)
    if (t.joinable())
      t.join();
}

void worker_pool::run() {
  while (true) {
    std::function<void()> work;
    {
      std::unique_lock lock{mutex_};
      changed_.wait(lock, [this] { return stopping_ || !waiting_.empty(); });
      if (stopping_)
        return;
      work = std::move(waiting_.front());
      waiting_.pop_front();
    }
    work();
  }
}

} // namespace troupe::gateway::ops
