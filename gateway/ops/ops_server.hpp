// The operators' port: /metrics and /ops/v1. Requests are framed by our own socket thread, and
// parsed, routed and answered by cpp-httplib on a few workers, which may wait.
#pragma once

#include "messages/probe.hpp"

#include <caf/error.hpp>
#include <nlohmann/json.hpp>
#include <prometheus/collectable.h>

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace troupe::gateway::ops {

/// What a hook gives: JSON, or an error, which is answered with its table's status.
struct answer {
  answer(nlohmann::json body) : body(std::move(body)) {}
  answer(caf::error error) : error(std::move(error)) {}

  nlohmann::json body;
  caf::error error;
};

/// What another node's port answered.
struct forwarded {
  int status = 200;
  std::string body; // JSON text
};

/// What the node does for the port. Called on worker threads; each bounds its own time
/// (gateway/ops/ask.hpp) and may throw. An empty one is answered with `unsupported`.
struct hooks {
  std::function<answer()> node_status; // GET /ops/v1/node
  std::function<answer()> config;      // GET /ops/v1/config: redacted, with origins
  std::function<answer()> upstreams;   // GET /ops/v1/upstreams
  std::function<answer()> cluster;     // GET /ops/v1/cluster: nodes, links, who leads
  std::function<answer()> shards;      // GET /ops/v1/shards: owners, epochs, moves
  /// GET of `path` at the node of that name, or POST, in bounded time; nothing if that is this one.
  std::function<std::optional<forwarded>(const std::string& node, const std::string& path,
                                         bool post)>
      elsewhere;
  std::function<answer()> drain;  // POST /ops/v1/drain: begins it, does not wait for its end
  std::function<answer()> reload; // POST /ops/v1/reload: {"applied":[],"needs_restart":[]}
};

struct options {
  std::string host = "127.0.0.1"; // an address
  std::uint16_t port = 9400;      // 0: any free one
  std::string token;              // for all but reading on loopback; needed beyond loopback
  std::size_t threads = 4;        // one of them is always left for /metrics
  std::size_t connections_max = 128;
  std::int64_t read_limit_ms = 5'000; // for a request to come in whole
  std::size_t body_bytes_max = 65'536;
};

class ops_server {
public:
  /// `all` outlives it. `sources`: the prometheus registry and other collectables, for /metrics.
  ops_server(options settings, hooks node, const probes& all,
             std::vector<std::shared_ptr<prometheus::Collectable>> sources);
  ~ops_server();
  ops_server(const ops_server&) = delete;
  ops_server& operator=(const ops_server&) = delete;

  /// Begins to serve. `config_invalid` says what is in the way: a port in use, no token beyond
  /// loopback.
  caf::error start();

  std::uint16_t port() const;

  /// "http://127.0.0.1:9400".
  std::string url() const;

  /// Ends serving; waits for running hooks. Idempotent.
  void stop();

private:
  struct impl;
  std::unique_ptr<impl> impl_;
};

} // namespace troupe::gateway::ops
