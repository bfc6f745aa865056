// A few threads for work that may wait.
#pragma once

#include <condition_variable>
#include <cstddef>
#include <deque>
#include <functional>
#include <mutex>
#include <thread>
#include <vector>

namespace troupe::gateway::ops {

class worker_pool {
public:
  worker_pool(std::size_t threads, std::size_t queue_max);
  ~worker_pool();
  worker_pool(const worker_pool&) = delete;
  worker_pool& operator=(const worker_pool&) = delete;

  /// False when too much waits already. `work` must not throw.
  bool submit(std::function<void()> work);

  /// Drops what waits and waits for what runs. Idempotent.
  void stop();

private:
  void run();

  std::size_t queue_max_;
  std::mutex mutex_;
  std::condition_variable changed_;
  std::deque<std::function<void()>> waiting_; // guarded
  bool stopping_ = false;                     // guarded
  std::vector<std::thread> threads_;
};

} // namespace troupe::gateway::ops
