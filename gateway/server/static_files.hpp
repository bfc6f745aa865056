// The web app's files. Reading them never blocks an I/O thread: a small pool does it.
#pragma once

#include "gateway/server/exchange.hpp"

#include <memory>
#include <string>

namespace troupe::gateway {

/// Serves a folder: GET and HEAD, index.html, ETag and If-None-Match, one byte range. Neither
/// symbolic links nor names that begin with a dot are served, and nothing outside the folder.
class static_files {
public:
  /// Throws std::runtime_error if `folder` cannot be opened.
  explicit static_files(std::string folder);
  ~static_files();

  /// Answers, or gives false if there is no such file. A path without a file and without a dot in
  /// its last segment is the web app's own (its router knows it): it gets index.html if the client
  /// accepts HTML.
  asio::awaitable<bool> serve(exchange& x);

private:
  struct impl;
  std::shared_ptr<impl> impl_;
};

} // namespace troupe::gateway
