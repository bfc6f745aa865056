// What the operators' port answers.
#pragma once

#include "gateway/ops/ops_server.hpp"

#include <map>
#include <string>
#include <string_view>

namespace troupe::gateway::ops {

/// A request as routes see it.
struct request {
  std::multimap<std::string, std::string> query; // decoded
  std::string body;
};

struct response {
  int status = 200;
  std::string content_type = "application/json";
  std::string body;
};

using route = std::function<response(const request&)>;

/// By path, then by method.
using route_table = std::map<std::string, std::map<std::string, route>, std::less<>>;

/// `hooks_max` calls of hooks run at once; more are refused, so that the rest goes on when the node
/// does not answer.
route_table make_routes(hooks node, const probes& all,
                        std::vector<std::shared_ptr<prometheus::Collectable>> sources,
                        std::size_t hooks_max);

/// {"error":{"code","message"}}.
response error_response(int status, std::string_view code, const std::string& message);
response error_response(const caf::error& err);

} // namespace troupe::gateway::ops
