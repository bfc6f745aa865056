// Which handler serves which method and path.
#pragma once

#include "gateway/server/exchange.hpp"

#include <functional>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace troupe::gateway {

using handler = std::function<asio::awaitable<void>(exchange&)>;

/// Decides about a WebSocket upgrade: an error refuses it with the table's status, else frames
/// follow. The callbacks run on the shard's thread.
struct socket_handler {
  /// `socket` takes SendFrame and CloseSocket. Called after the HTTP request was read, before 101
  /// is sent.
  std::function<asio::awaitable<caf::error>(exchange&, socket_actor socket, std::string socket_id)>
      open;
  std::function<void(const std::string& socket_id, std::string text)> frame;
  std::function<void(const std::string& socket_id, std::string_view reason)> closed;
};

/// What a route wants of its requests.
struct route_options {
  std::int64_t body_bytes_max = 0; // 0: the gateway's
  std::string name;                // label of metrics; empty: the pattern
  bool openai_errors = false;      // the server's own refusals (413, 404, 405...) in OpenAI's shape
};

/// Routes by segments: `/api/v1/conversations/{id}/messages`. `{rest*}` at the end takes all that
/// follows. Filled before the server starts, read-only afterwards.
class router {
public:
  router();
  ~router();
  router(router&&) noexcept;
  router& operator=(router&&) noexcept;

  /// Throws std::invalid_argument for a malformed or doubled pattern: a bug, seen at start.
  void add(std::string_view method, std::string_view pattern, handler handle,
           route_options options = {});
  void add_socket(std::string_view pattern, socket_handler handle);

  struct match {
    const handler* handle = nullptr;
    const socket_handler* socket = nullptr;
    const route_options* options = nullptr;
    std::vector<std::pair<std::string, std::string>> params;
    std::vector<std::string> allowed; // when only the method is wrong: for 405 and OPTIONS
  };
  /// `path` as sent, percent-encoded; parameters come decoded. HEAD is served by GET. With a socket
  /// at the path `socket` is set whatever the method.
  match find(std::string_view method, std::string_view path) const;

  /// The options of every route, in the order they were added; the pointers are those that `find`
  /// gives.
  std::vector<const route_options*> all() const;

  /// True if some route begins with the path's first segment: the web app has no say there.
  bool owns(std::string_view path) const;

  /// True if some route with `openai_errors` begins with the path's first segment: errors of paths
  /// that nobody serves take that shape too.
  bool openai_errors(std::string_view path) const;

private:
  struct impl;
  std::unique_ptr<impl> impl_;
};

} // namespace troupe::gateway
