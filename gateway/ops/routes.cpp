#include "gateway/ops/routes.hpp"

#include "gateway/ops/metrics.hpp"
#include "gateway/server/url.hpp"
#include "messages/error.hpp"
#include "messages/log.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <atomic>
#include <charconv>
#include <stdexcept>

namespace troupe::gateway::ops {

namespace {

constexpr std::int64_t limit_default = 20;
constexpr std::int64_t limit_max = 1'000;
constexpr std::int64_t offset_max = 10'000'000;

/// Thrown by handlers: the request is at fault.
struct bad_request : std::runtime_error {
  using runtime_error::runtime_error;
};

response json_response(const nlohmann::json& body, int status = 200) {
  constexpr auto replace = nlohmann::json::error_handler_t::replace;
  return {status, "application/json", body.dump(-1, ' ', false, replace) + "\n"};
}

void allow_only(const request& r, std::initializer_list<std::string_view> names) {
  for (const auto& [name, text] : r.query) {
    if (std::find(names.begin(), names.end(), name) == names.end())
      throw bad_request(names.size() == 0 ? fmt::format("this takes no parameters, not `{}`", name)
                                          : fmt::format("unknown parameter `{}`; allowed are {}",
                                                        name, fmt::join(names, ", ")));
    if (r.query.count(name) > 1)
      throw bad_request(fmt::format("`{}` is given twice", name));
  }
}

std::int64_t number(const request& r, const std::string& name, std::int64_t fallback,
                    std::int64_t min, std::int64_t max) {
  auto i = r.query.find(name);
  if (i == r.query.end())
    return fallback;
  const auto& text = i->second;
  std::int64_t value = 0;
  auto [stop, failed] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (failed != std::errc{} || stop != text.data() + text.size() || value < min || value > max)
    throw bad_request(fmt::format("`{}` must be a whole number from {} to {}", name, min, max));
  return value;
}

actor_order order(const request& r) {
  auto i = r.query.find("sort");
  if (i == r.query.end() || i->second == "busy")
    return actor_order::busy;
  if (i->second == "handled")
    return actor_order::handled;
  if (i->second == "depth")
    return actor_order::depth;
  throw bad_request("`sort` must be busy, handled or depth");
}

nlohmann::json json_of(const actor_type_probe& t) {
  return {{"type", t.name},
          {"live", t.live.load()},
          {"spawned", t.spawned.load()},
          {"depth", t.depth.load()},
          {"handled", t.handled.load()},
          {"failed", t.failed.load()},
          {"restarted", t.restarted.load()},
          {"shed", t.shed.load()},
          {"mailbox_max", t.mailbox_max.load()},
          {"latency_p50_us", t.latency.quantile_us(0.5)},
          {"latency_p99_us", t.latency.quantile_us(0.99)}};
}

/// The wanted types; all of them without `type`.
std::vector<const actor_type_probe*> types(const request& r, const probes& all) {
  auto found = all.types();
  auto i = r.query.find("type");
  if (i == r.query.end())
    return found;
  std::vector<std::string_view> names;
  for (const auto* t : found) {
    if (t->name == i->second)
      return {t};
    names.push_back(t->name);
  }
  throw bad_request(
      fmt::format("there are no actors of this `type`; there are {}", fmt::join(names, ", ")));
}

response actors(const request& r, const probes& all) {
  allow_only(r, {"sort", "limit", "offset", "type"});
  auto by = order(r);
  auto limit = number(r, "limit", limit_default, 1, limit_max);
  auto offset = number(r, "offset", 0, 0, offset_max);
  auto selected = types(r, all);
  auto type =
      r.query.contains("type") ? std::string_view{selected.front()->name} : std::string_view{};
  std::int64_t total = 0;
  auto type_rows = nlohmann::json::array();
  for (const auto* t : selected) {
    total += t->live.load();
    type_rows.push_back(json_of(*t));
  }
  auto busiest = nlohmann::json::array();
  for (const auto& a :
       all.busiest(by, static_cast<std::size_t>(offset), static_cast<std::size_t>(limit), type))
    busiest.push_back({{"type", a.type},
                       {"id", a.actor_id},
                       {"depth", a.depth},
                       {"handled", a.handled},
                       {"busy_us", a.busy_us}});
  return json_response(
      {{"types", std::move(type_rows)}, {"busiest", std::move(busiest)}, {"total", total}});
}

response get_level(const request& r) {
  allow_only(r, {});
  return json_response({{"level", to_string(get_log_level())}});
}

response put_level(const request& r) {
  allow_only(r, {});
  auto body = nlohmann::json::parse(r.body, nullptr, false);
  auto level = log_level::info;
  auto is_good = body.is_object() && body.size() == 1 && body.contains("level")
                 && body["level"].is_string()
                 && parse_log_level(body["level"].get_ref<const std::string&>(), level);
  if (!is_good)
    throw bad_request(R"(send {"level":"..."} with one of trace, debug, info, warn, error, off)");
  set_log_level(level);
  log_info("log_level_changed", {{"level", to_string(level)}});
  return json_response({{"level", to_string(level)}});
}

/// Calls hooks, so many at once.
class hook_caller {
public:
  explicit hook_caller(std::size_t at_once) : left_(static_cast<std::int64_t>(at_once)) {}

  response call(const std::function<answer()>& hook, int status) {
    if (!hook)
      return error_response(make_error(ec::unsupported, "this node does not offer it"));
    struct lease {
      std::atomic<std::int64_t>& left;
      bool taken;
      explicit lease(std::atomic<std::int64_t>& l) : left(l), taken(l.fetch_sub(1) > 0) {}
      ~lease() { left.fetch_add(1); }
    } mine{left_};
    if (!mine.taken)
      return error_response(make_error(
          ec::overloaded, "the node is slow to answer and others wait already; try again later"));
    auto got = hook();
    return got.error ? error_response(got.error) : json_response(got.body, status);
  }

private:
  std::atomic<std::int64_t> left_;
};

/// Exceptions of handlers become answers.
route guarded(route inner) {
  return [inner = std::move(inner)](const request& r) -> response {
    try {
      return inner(r);
    } catch (const bad_request& e) {
      return error_response(400, "invalid_argument", e.what());
    } catch (const std::exception& e) {
      log_error("ops_request_failed", {{"reason", e.what()}});
      return error_response(500, "internal_error", "this is a bug; see the node's log");
    }
  };
}

/// With `node=NAME`: the same of another node, through the links.
route at_any_node(std::string path, route inner, decltype(hooks::elsewhere) elsewhere,
                  bool post = false) {
  return guarded([path = std::move(path), inner = std::move(inner),
                  elsewhere = std::move(elsewhere), post](const request& r) -> response {
    auto named = r.query.find("node");
    if (named == r.query.end())
      return inner(r);
    if (!elsewhere)
      return error_response(make_error(ec::unsupported, "this node knows no other"));
    auto rest = r;
    rest.query.erase("node");
    auto target = path;
    for (const auto& [name, value] : rest.query)
      target += fmt::format("{}{}={}", target == path ? '?' : '&', percent_encode(name),
                            percent_encode(value));
    auto got = elsewhere(named->second, target, post);
    if (!got)
      return inner(rest);
    return {got->status, "application/json", std::move(got->body)};
  });
}

} // namespace

response error_response(int status, std::string_view code, const std::string& message) {
  return json_response({{"error", {{"code", code}, {"message", message}}}}, status);
}

response error_response(const caf::error& err) {
  const auto& row = info(err);
  return error_response(row.http_status, row.name, describe(err));
}

route_table make_routes(hooks node, const probes& all,
                        std::vector<std::shared_ptr<prometheus::Collectable>> sources,
                        std::size_t hooks_max) {
  auto caller = std::make_shared<hook_caller>(hooks_max);
  auto hook = [&](std::function<answer()> f, int status = 200) {
    return guarded([caller, f = std::move(f), status](const request& r) {
      allow_only(r, {});
      return caller->call(f, status);
    });
  };
  constexpr int accepted = 202;
  route_table table;
  table["/metrics"]["GET"] = guarded([sources = std::move(sources)](const request&) -> response {
    return {200, "text/plain; version=0.0.4; charset=utf-8", metrics_text(sources)};
  });
  auto anywhere = [&](const char* path, route inner) {
    table[path]["GET"] = at_any_node(path, std::move(inner), node.elsewhere);
  };
  anywhere("/ops/v1/actors", [&all](const request& r) { return actors(r, all); });
  table["/ops/v1/log"]["GET"] = guarded(get_level);
  table["/ops/v1/log"]["PUT"] = guarded(put_level);
  anywhere("/ops/v1/node", hook(std::move(node.node_status)));
  anywhere("/ops/v1/config", hook(std::move(node.config)));
  anywhere("/ops/v1/upstreams", hook(std::move(node.upstreams)));
  anywhere("/ops/v1/cluster", hook(std::move(node.cluster)));
  anywhere("/ops/v1/shards", hook(std::move(node.shards)));
  table["/ops/v1/drain"]["POST"] =
      at_any_node("/ops/v1/drain", hook(std::move(node.drain), accepted), node.elsewhere, true);
  table["/ops/v1/reload"]["POST"] = hook(std::move(node.reload));
  return table;
}

} // namespace troupe::gateway::ops
