// A client that asks for something harmless all the time, while others do harm.
#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>
#include <string>
#include <thread>
#include <vector>

namespace troupe::test {

/// Asks GET /healthz and GET /openapi.json in turn on one connection that stays, some 200 times a
/// second, from construction until `stop`.
class honest_client {
public:
  explicit honest_client(std::uint16_t port);
  ~honest_client();
  honest_client(const honest_client&) = delete;
  honest_client& operator=(const honest_client&) = delete;

  void stop();
  // After `stop`:
  std::size_t asked() const { return took_.size(); }
  std::size_t refused() const { return refused_; } // answers other than 200, and missing ones
  std::chrono::microseconds percentile(double p);

private:
  void run(std::uint16_t port);

  std::atomic<bool> stopping_ = false;
  std::vector<std::chrono::microseconds> took_;
  std::size_t refused_ = 0;
  std::thread thread_;
};

} // namespace troupe::test
