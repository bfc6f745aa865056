#include "tests/support/honest_client.hpp"

#include "tests/support/raw_http.hpp"

#include <algorithm>

namespace troupe::test {

honest_client::honest_client(std::uint16_t port) : thread_([this, port] { run(port); }) {}

honest_client::~honest_client() { stop(); }

void honest_client::stop() {
  stopping_ = true;
  if (thread_.joinable())
    thread_.join();
}

void honest_client::run(std::uint16_t port) {
  using clock = std::chrono::steady_clock;
  raw_client client{port};
  for (std::size_t i = 0; !stopping_; ++i) {
    std::string path = i % 2 == 0 ? "/healthz" : "/openapi.json";
    auto begin = clock::now();
    auto a = client.ask("GET " + path + " HTTP/1.1\r\nHost: honest\r\n\r\n");
    took_.push_back(std::chrono::duration_cast<std::chrono::microseconds>(clock::now() - begin));
    if (a.status != 200)
      ++refused_;
    std::this_thread::sleep_for(std::chrono::milliseconds{5}); // its pace
  }
}

std::chrono::microseconds honest_client::percentile(double p) {
  if (took_.empty())
    return {};
  std::sort(took_.begin(), took_.end());
  return took_[static_cast<std::size_t>(static_cast<double>(took_.size() - 1) * p / 100)];
}

} // namespace troupe::test
