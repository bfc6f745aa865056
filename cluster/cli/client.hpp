// How commands find a node and talk to it over HTTP.
#pragma once

#include "cluster/cli/cli.hpp"
#include "config/config.hpp"
#include "gateway/upstream/sse_parser.hpp"

#include <nlohmann/json.hpp>

#include <chrono>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace troupe::cli {

/// Where a node is, and the secret to show it.
struct node_address {
  std::string url;      // http://host:port of the public port
  std::string ops_url;  // of the operators' port; empty: not known
  std::string key;      // API key or the node's token; empty: none
  std::string identity; // the same for the same node, whatever its port
};

/// The configuration that --config, --env and --set name. Throws `failure` with its problems.
config::node_config load_config(const options& common);

/// What `node_address::identity` is for the node of a data folder.
std::string local_identity(const std::string& data_dir);

/// The node that --url names, else the one that runs here; nothing if none runs.
std::optional<node_address> find_node(const options& common, const config::node_config& config);

/// The same; `failure` says how to start one.
node_address require_node(const options& common, const config::node_config& config);

/// A node's answer that is an error.
class api_failure : public failure {
public:
  api_failure(int status, std::string code, const std::string& text,
              nlohmann::json answer = nullptr);
  int status;
  std::string code;
  nlohmann::json answer; // all of it; null: it was no JSON
};

/// A blocking HTTP client for one base URL: low rate, JSON, server-sent events. Not thread-safe but
/// for `abort`.
class http_client {
public:
  using query = std::vector<std::pair<std::string, std::string>>;
  using header_list = std::vector<std::pair<std::string, std::string>>;
  /// False ends the stream.
  using event_handler = std::function<bool(const gateway::sse_event&)>;

  http_client(std::string base_url, std::string key);
  ~http_client();
  http_client(const http_client&) = delete;
  http_client& operator=(const http_client&) = delete;

  nlohmann::json get(const std::string& path, const query& parameters = {});
  nlohmann::json post(const std::string& path, const nlohmann::json& body);
  nlohmann::json patch(const std::string& path, const nlohmann::json& body);
  nlohmann::json del(const std::string& path);
  /// Sends a file as it is.
  nlohmann::json put_file(const std::string& path, const query& parameters, std::string content);
  /// Reads a file as it is.
  std::string get_file(const std::string& path, const query& parameters);

  /// Sends and reads server-sent events until the stream ends, the handler says so, or `abort`.
  /// True when the stream ended whole or was ended from here; false when it broke off. Throws
  /// `failure` when there was no stream.
  bool stream(const std::string& method, const std::string& path, const nlohmann::json& body,
              const header_list& headers, const event_handler& on_event);

  /// Ends a running call from another thread.
  void abort();

  const std::string& base_url() const { return base_url_; }

private:
  struct impl;
  nlohmann::json call(const std::string& method, const std::string& path, const query& parameters,
                      const nlohmann::json* body);
  std::string exchange(const std::string& method, const std::string& path, const query& parameters,
                       std::string body, const std::string& content_type);
  nlohmann::json as_json(const std::string& text) const;

  std::string base_url_;
  std::unique_ptr<impl> impl_;
};

/// Percent-encodes all but unreserved characters.
std::string url_encode(std::string_view text);

/// `http://` before a URL without scheme, and no slash at its end. Throws `failure` if it is none.
std::string normalise_url(const std::string& url);

} // namespace troupe::cli
