// Many connections that do nothing, from many addresses of the loopback network.
#pragma once

#include <chrono>
#include <cstdint>
#include <string_view>
#include <vector>

namespace troupe::test {

class idle_crowd {
public:
  /// Raises this process' limit of open files as far as it may. Throws std::runtime_error if a
  /// connection fails.
  idle_crowd(std::uint16_t port, std::size_t size);
  ~idle_crowd();
  idle_crowd(const idle_crowd&) = delete;
  idle_crowd& operator=(const idle_crowd&) = delete;

  /// Sends `request` on all; how many got a 200. Their idle time begins anew.
  std::size_t ask(std::string_view request, std::chrono::milliseconds limit);
  /// How many the server has not closed yet.
  std::size_t open();
  /// Waits for the next close for at most `wait`.
  void watch(std::chrono::milliseconds wait);
  /// The shortest time a connection was left idle before `watch` or `open` saw it closed.
  std::chrono::milliseconds first_close() const { return first_close_; }

private:
  using clock = std::chrono::steady_clock;
  struct member {
    int fd = -1;
    clock::time_point since;
  };

  std::vector<member> members_;
  std::chrono::milliseconds first_close_ = std::chrono::hours{1};
};

} // namespace troupe::test
