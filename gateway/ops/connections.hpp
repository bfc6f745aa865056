// The sockets of the operators' port, on one thread that never waits for a client: requests are
// handed on when they are complete, answers are written as their readers take them. So no slow
// client holds a worker.
#pragma once

#include "gateway/ops/framing.hpp"

#include <caf/error.hpp>

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>

namespace troupe::gateway::ops {

struct connection_limits {
  frame_limits frame;
  std::size_t connections_max = 128;
  std::chrono::milliseconds read_limit{5'000};   // from accept to the request's last byte
  std::chrono::milliseconds serve_limit{30'000}; // until the answer is there
  std::chrono::milliseconds write_limit{10'000}; // until the reader took it
  std::chrono::milliseconds linger_limit{1'000}; // for the reader to close
};

/// One request, whole.
struct raw_request {
  std::uint64_t connection = 0;
  std::string bytes;
  std::string remote_address;
  int remote_port = 0;
};

class connections {
public:
  /// `serve` runs on the socket thread and must not wait; it leads to `answer`, sooner or later.
  /// `refusal` makes a whole HTTP answer from a status and a message.
  using serve_function = std::function<void(raw_request)>;
  using refusal_function = std::function<std::string(int status, const std::string& message)>;

  connections(connection_limits limits, serve_function serve, refusal_function refusal);
  ~connections();
  connections(const connections&) = delete;
  connections& operator=(const connections&) = delete;

  /// Binds and starts the thread. Port 0: any free one. The error says why not and what to do.
  caf::error start(const std::string& host, std::uint16_t port);
  std::uint16_t port() const;

  /// Writes a whole HTTP answer and closes. From any thread; one that came too late is dropped.
  void answer(std::uint64_t connection, std::string bytes);

  /// Takes no more, and closes what is open. Idempotent.
  void stop();

private:
  struct impl;
  std::unique_ptr<impl> impl_;
};

} // namespace troupe::gateway::ops
