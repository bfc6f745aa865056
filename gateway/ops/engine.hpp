// From the bytes of one request to the bytes of its answer, by cpp-httplib.
#pragma once

#include "gateway/ops/connections.hpp"
#include "gateway/ops/guard.hpp"
#include "gateway/ops/routes.hpp"

#include <memory>
#include <string>

namespace troupe::gateway::ops {

class engine {
public:
  engine(guard who, route_table routes);
  ~engine();
  engine(engine&&) noexcept;

  /// Thread-safe. Never throws.
  std::string respond(const raw_request& raw) noexcept;

private:
  struct impl;
  std::unique_ptr<impl> impl_;
};

/// A whole HTTP answer with an error, for requests that never reach a route.
std::string refusal_text(int status, const std::string& message);

} // namespace troupe::gateway::ops
