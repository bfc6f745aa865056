// The composition root: makes every part of a node, connects them, and takes them apart in order.
#pragma once

#include "config/config.hpp"

#include <caf/expected.hpp>

#include <functional>
#include <memory>
#include <string>
#include <vector>

namespace troupe {

/// What the process around a node does for it. Called on the node's threads: return soon.
struct node_callbacks {
  /// The node cannot go on, or was told over the operators' port to drain: end the process in
  /// order.
  std::function<void(const std::string& reason)> stop;
  /// Reads the configuration again (SIGHUP's work, asked for over the operators' port).
  std::function<caf::error()> reload;
  /// The effective configuration with secrets redacted, as JSON text.
  std::function<std::string()> show_config;
};

/// What a reload did.
struct reload_result {
  std::vector<std::string> applied;
  std::vector<std::string> needs_restart;
};

/// A running node. Its functions may be called from any thread that is no actor's.
class node {
public:
  /// Brings everything up; ready when it returns. Errors say what to do: a port in use, a folder
  /// that cannot be written, a database newer than this program.
  static caf::expected<std::unique_ptr<node>> start(config::node_config config,
                                                    node_callbacks callbacks);

  /// Drains if `drain` was not called, then ends all actors. Bounded: a watchdog ends the process
  /// with exit code 1 should something hang.
  ~node();

  node(const node&) = delete;
  node& operator=(const node&) = delete;

  const std::string& url() const;
  const std::string& ops_url() const;
  const std::string& token() const;

  /// Stops taking work, lets running turns end for at most `node.drain_limit_ms`, and settles what
  /// is open. Blocks. A second call returns at once.
  void drain();

  /// Takes over what can change while running: log level, upstreams' order and limits, keys' cache.
  reload_result reload(const config::node_config& config);

private:
  struct parts;
  explicit node(std::unique_ptr<parts> parts);
  std::unique_ptr<parts> parts_;
};

} // namespace troupe
