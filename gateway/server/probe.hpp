// What the public HTTP server counts. Injected; read by whoever shows metrics.
#pragma once

#include "gateway/server/http_checks.hpp"
#include "messages/probe.hpp"

#include <array>
#include <atomic>
#include <cstdint>
#include <deque>
#include <mutex>
#include <string>
#include <string_view>
#include <vector>

namespace troupe::gateway {

/// The requests of one route.
struct route_probe {
  std::string name;
  std::array<std::atomic<std::uint64_t>, 6> by_class{}; // [2]: 2xx; [0]: cut without an answer
  latency_histogram latency;                            // from the head's end to the answer's end
};

/// Counters of a server. Thread-safe; outlives it.
struct gateway_probe {
  std::atomic<std::int64_t> connections{0};
  std::atomic<std::uint64_t> connections_total{0};
  std::atomic<std::int64_t> requests_running{0};
  std::atomic<std::uint64_t> requests_total{0};
  std::atomic<std::int64_t> streams_open{0}; // event and body streams
  std::atomic<std::int64_t> sockets_open{0}; // WebSockets
  std::atomic<std::uint64_t> bytes_in{0};    // of bodies and heads
  std::atomic<std::uint64_t> bytes_out{0};
  std::atomic<std::uint64_t> clients_left{0};      // before their answer ended
  std::atomic<std::uint64_t> streams_overflown{0}; // cut: the reader was too slow for its events
  std::atomic<std::uint64_t> writes_stalled{0};    // cut: nothing was taken for too long
  std::atomic<std::uint64_t> handlers_failed{0};   // threw, or gave no answer
  std::array<std::atomic<std::uint64_t>, refusals> refused{};

  /// The counters of the routes that share this label, made at the first call.
  route_probe& route(std::string_view name) {
    std::lock_guard guard{mutex_};
    for (auto& r : routes_)
      if (r.name == name)
        return r;
    auto& made = routes_.emplace_back();
    made.name = name;
    return made;
  }

  /// All routes so far.
  std::vector<const route_probe*> routes() const {
    std::lock_guard guard{mutex_};
    std::vector<const route_probe*> all;
    for (const auto& r : routes_)
      all.push_back(&r);
    return all;
  }

private:
  mutable std::mutex mutex_;
  std::deque<route_probe> routes_;
};

} // namespace troupe::gateway
