// Requests that no honest client sends, and what a server must say to them.
#pragma once

#include "tests/support/raw_http.hpp"

#include <cstdint>
#include <string>
#include <vector>

namespace troupe::test {

/// Bytes of one connection and the statuses they must get, in order; then the connection must end.
struct hostile_case {
  /// What the client does when it has sent everything.
  enum class then : std::uint8_t { wait, half_close, close, reset };

  std::string name;
  std::string bytes;
  std::vector<int> statuses; // empty: closed without an answer
  then end = then::wait;
  bool byte_by_byte = false;
  std::string unit;      // sent `units` times behind `bytes`
  std::size_t units = 0; // for what is too large to be kept
};

/// All of them, for a server where GET /healthz answers 200 and reads a body of up to 20 MB, and
/// where /ws/onebot/main takes WebSockets. Header deadline: a few seconds at most.
std::vector<hostile_case> hostile_cases();

/// What a server did.
struct hostile_outcome {
  std::vector<int> statuses;
  bool closed = false;
  std::size_t accepted() const; // requests with a 2xx
};

/// Sends a case to a server at 127.0.0.1. Waits for its end for at most `limit`.
hostile_outcome send_hostile(const hostile_case& c, std::uint16_t port,
                             std::chrono::milliseconds limit);

/// As text, for messages: "400", "200 200 open".
std::string describe(const hostile_outcome& outcome);

} // namespace troupe::test
