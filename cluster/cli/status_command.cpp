// `troupe status`.
#include "cluster/cli/client.hpp"
#include "cluster/cli/terminal.hpp"

#include <CLI/CLI.hpp>
#include <fmt/format.h>
#include <fmt/ranges.h>

#include <cstdio>

namespace troupe::cli {

namespace {

using nlohmann::json;

std::int64_t integer(const json& value, const char* name) {
  auto i = value.find(name);
  return i != value.end() && i->is_number() ? i->get<std::int64_t>() : 0;
}

std::string text(const json& value, const char* name) {
  auto i = value.find(name);
  return i != value.end() && i->is_string() ? i->get<std::string>() : std::string{};
}

std::string store_line(const json& store) {
  auto state = store.value("writable", false) ? "writable" : "cannot be written";
  auto line = fmt::format("{}, schema {}, {}, {} commits, {} rows", text(store, "backend"),
                          integer(store, "schema_version"), state,
                          short_number(static_cast<double>(integer(store, "commits"))),
                          short_number(static_cast<double>(integer(store, "rows_written"))));
  auto error = text(store, "last_error");
  return error.empty() ? line : line + "; last error: " + error;
}

// "41 here, 12 at others, 1 failed over, 3 for others".
std::string tools_line(const json& tools, const std::string& self) {
  std::int64_t here = 0;
  std::int64_t others = 0;
  std::int64_t failed = 0;
  std::int64_t served = 0;
  for (const auto& kind : tools.value("kinds", json::object())) {
    here += integer(kind, "short");
    served += integer(kind, "served");
    for (const auto& [name, counts] : kind.value("nodes", json::object()).items()) {
      (name == self ? here : others) += integer(counts, "done");
      failed += integer(counts, "failed_over");
    }
  }
  return fmt::format("{} here, {} at others, {} failed over, {} for others", here, others, failed,
                     served);
}

void show(const json& node) {
  auto style = styles::of_stdout();
  auto phase = text(node, "phase");
  auto colour = phase == "ready" ? style.green : style.red;
  fmt::print("{}{}{} {} is {}{}{} for {}\n", style.bold, printable(text(node, "name")), style.reset,
             text(node, "version"), colour, phase, style.reset,
             short_duration(node.value("uptime_s", 0.0)));
  auto line = [&](std::string_view name, const std::string& value) {
    fmt::print("  {:<14}{}\n", name, printable(value));
  };
  line("process", fmt::format("{}", integer(node, "pid")));
  auto url = text(node, "url");
  line("address", url.empty() ? "none: it has not the role gateway" : url);
  line("operators", text(node, "ops_url"));
  line("connections", fmt::format("{}", integer(node, "connections")));
  line("requests", fmt::format("{}", integer(node, "requests_total")));
  line("open streams", fmt::format("{}", integer(node, "streams_open")));
  line("sessions", fmt::format("{} in memory, {} turns running", integer(node, "sessions_live"),
                               integer(node, "turns_running")));
  if (node.contains("tools") && node["tools"].is_object())
    line("tools", tools_line(node["tools"], text(node, "name")));
  if (node.contains("store") && node["store"].is_object())
    line("store", store_line(node["store"]));
}

std::string link_text(const json& node) {
  if (node.value("here", false))
    return "this node";
  auto state = text(node, "state");
  if (state == "left" || state == "dead")
    return "-";
  const auto& link = node.contains("link") ? node["link"] : json{};
  if (!link.is_object())
    return "none";
  if (!link.value("up", false)) {
    auto error = text(link, "error");
    return error.empty() ? "down" : "down: " + error;
  }
  return fmt::format("{} us", integer(link, "round_trip_us"));
}

std::string shards_text(const json& node) {
  auto out = fmt::format("{}", integer(node, "shards"));
  if (auto in = integer(node, "shards_incoming"); in > 0)
    out += fmt::format(" +{}", in);
  if (auto gone = integer(node, "shards_outgoing"); gone > 0)
    out += fmt::format(" -{}", gone);
  return out;
}

// One node alone is not worth a table.
void show_cluster(const json& cluster) {
  if (!cluster.contains("nodes") || cluster["nodes"].size() < 2)
    return;
  text_table table{{"NODE", "STATE", "SHARDS", "LINK", "ROLES", "ADDRESS"},
                   {false, false, true, true, false, false}};
  for (const auto& node : cluster["nodes"]) {
    auto name = printable(text(node, "name"));
    table.add({node.value("leads", false) ? name + " (leads)" : name, text(node, "state"),
               shards_text(node), printable(link_text(node)),
               fmt::format("{}", fmt::join(node.value("roles", std::vector<std::string>{}), ",")),
               printable(text(node, "address"))});
  }
  fmt::print("\n{}", table.render(styles::of_stdout()));
  if (auto lost = integer(cluster, "shards_without_owner"); lost > 0)
    fmt::print("{} shards have no owner\n", lost);
  if (!cluster.value("serves", true))
    fmt::print("this node's lease ended: it answers for no conversation until it is renewed\n");
}

} // namespace

void add_status_command(CLI::App& app, options& common) {
  auto* status = app.add_subcommand("status", "How the node and its cluster are doing");
  status->footer("Asks the operators' port of the node that runs here, or the one at --url.\n"
                 "Exits with 1 when no node answers or it is not ready.\n\n"
                 "Examples:\n"
                 "  troupe status\n"
                 "  troupe status --json\n"
                 "  troupe status --url http://10.0.0.5:9400 --key TOKEN");
  status->callback([&common] {
    auto node = require_node(common, load_config(common));
    http_client client{node.ops_url, node.key};
    auto answer = client.get("/ops/v1/node");
    answer["cluster"] = client.get("/ops/v1/cluster");
    if (common.json) {
      print_json(answer);
    } else {
      show(answer);
      show_cluster(answer["cluster"]);
    }
    if (text(answer, "phase") != "ready")
      throw quiet_exit(1);
  });
}

} // namespace troupe::cli
