// What commands do themselves when no node runs: a node inside the command, keys in the database.
#pragma once

#include "cluster/cli/client.hpp"
#include "config/config.hpp"

#include <nlohmann/json.hpp>

#include <memory>
#include <string>

namespace troupe::cli {

/// A node inside this process, on a loopback port of its own, with the same configuration and data
/// folder. It ends with the object.
class embedded_node {
public:
  virtual ~embedded_node() = default;
  virtual const node_address& address() const = 0;
};

/// Throws `failure` when it cannot start.
std::unique_ptr<embedded_node> start_embedded_node(const config::node_config& config);

/// API keys, by whatever way there is. Answers are those of /api/v1/keys. All throw `failure`.
class key_service {
public:
  virtual ~key_service() = default;
  virtual nlohmann::json create(const nlohmann::json& request) = 0;
  virtual nlohmann::json list(const std::string& cursor) = 0;
  virtual nlohmann::json revoke(const std::string& id) = 0;
};

/// Over REST, with a running node.
std::unique_ptr<key_service> remote_keys(const node_address& node);

/// In the database that the configuration names, which is made if it is missing.
std::unique_ptr<key_service> local_keys(const config::node_config& config);

} // namespace troupe::cli
