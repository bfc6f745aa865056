// The public HTTP server on a free port, with routes that tests need.
#pragma once

#include "gateway/server/server.hpp"
#include "messages/system.hpp"
#include "tests/support/raw_http.hpp"
#include "tests/support/script_server.hpp"

#include <caf/actor_system.hpp>

#include <functional>
#include <memory>
#include <optional>

namespace troupe::test {

struct server_fixture {
  server_fixture();
  ~server_fixture();

  /// Starts it; `config.listen` is any free loopback port unless set. False if it refused.
  bool start(gateway::router routes = standard_routes());
  /// Stops it, and waits for the end of all actors: what they work on may then go. Nobody may hold
  /// a handle of theirs.
  void close();
  /// GET /hello, POST /echo, GET /items/{id}, GET /throw, GET /silent, GET /events and the like.
  static gateway::router standard_routes();

  raw_client client() const { return raw_client{server->port()}; }
  /// One GET on a connection of its own.
  raw_answer get(const std::string& path, const std::string& headers = {}) const;

  config::gateway_section config;
  bool access_log = false;
  system_config system_options{2};
  probes all_probes; // actors count in them until their end
  std::optional<caf::actor_system> system;
  gateway::gateway_probe probe;
  std::unique_ptr<gateway::server> server;
  caf::error refused;
};

} // namespace troupe::test
