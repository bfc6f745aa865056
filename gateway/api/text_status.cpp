#include "gateway/api/text_status.hpp"

#include "gateway/api/ruleset_json.hpp"

#include <nlohmann/json.hpp>

namespace troupe::gateway {

using nlohmann::json;

json text_status_json(const v1::TextServiceStatus& status, const char* sets) {
  auto in_use = json::array();
  for (const auto& set : status.rulesets())
    in_use.push_back(to_json(set));
  auto problems = json::array();
  for (const auto& problem : status.problems())
    problems.push_back(to_json(problem));
  return {{sets, std::move(in_use)},
          {"items", status.items()},
          {"memory_bytes", status.memory_bytes()},
          {"built_us", status.built_us() == 0 ? json{} : json(status.built_us())},
          {"build_took_us", status.build_took_us()},
          {"problems", std::move(problems)},
          {"error", status.error().empty() ? json{} : json(status.error())}};
}

} // namespace troupe::gateway
