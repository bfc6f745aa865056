// The public HTTP server: listener, I/O shards, limits, the end.
#pragma once

#include "config/config.hpp"
#include "gateway/server/probe.hpp"
#include "gateway/server/router.hpp"
#include "messages/actor.hpp"

#include <chrono>
#include <functional>
#include <memory>
#include <string>
#include <vector>

namespace troupe::gateway {

struct server_options {
  config::gateway_section config;
  bool access_log = true; // one line a request
};

/// A server. Its shards run from construction on, so that what lives on them can be made before
/// the first request. Thread-safe but for construction and destruction.
///
/// Order of an end: `stop_ingress`, `stop`, then destroy what uses `shards()`, then the server.
class server {
public:
  /// Starts the I/O threads. `probe` and the actor system outlive the server.
  server(server_options options, actor_host host, gateway_probe& probe);
  ~server();
  server(const server&) = delete;
  server& operator=(const server&) = delete;

  /// Binds and accepts. `ec::config_invalid` with a sentence that names the address, the file or
  /// the folder and says what to do. Once.
  caf::error start(router routes);

  /// The port it is bound to (port 0 asks for any), 0 before `start`.
  std::uint16_t port() const;
  /// host:port, for people.
  std::string address() const;

  std::vector<io_shard*> shards() const;

  /// Closes the listener and idle connections. Running requests end, or are cut after `limit`;
  /// answers meanwhile say `Connection: close`. WebSockets are closed last (1001). Then `done` is
  /// called, on a thread of its own, with false if something was cut. A second call joins the
  /// first.
  void stop_ingress(std::chrono::milliseconds limit, std::function<void(bool clean)> done);
  /// The same, waiting; not on a shard's thread.
  bool stop_ingress(std::chrono::milliseconds limit);

  /// Cuts what still runs and ends the I/O threads; takes at most a few seconds. Not on a shard's
  /// thread.
  void stop();

private:
  class impl;
  std::unique_ptr<impl> impl_;
};

} // namespace troupe::gateway
