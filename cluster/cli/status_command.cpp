// `troupe status`.
#include "cluster/cli/client.hpp"
#include "cluster/cli/terminal.hpp"

#include <CLI/CLI.hpp>
#include <fmt/format.h>

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
  line("address", text(node, "url"));
  line("operators", text(node, "ops_url"));
  line("connections", fmt::format("{}", integer(node, "connections")));
  line("requests", fmt::format("{}", integer(node, "requests_total")));
  line("open streams", fmt::format("{}", integer(node, "streams_open")));
  line("sessions", fmt::format("{} in memory, {} turns running", integer(node, "sessions_live"),
                               integer(node, "turns_running")));
  if (node.contains("store") && node["store"].is_object())
    line("store", store_line(node["store"]));
}

} // namespace

void add_status_command(CLI::App& app, options& common) {
  auto* status = app.add_subcommand("status", "How the node is doing");
  status->footer("Asks the operators' port of the node that runs here, or the one at --url.\n"
                 "Exits with 1 when no node answers or it is not ready.\n\n"
                 "Examples:\n"
                 "  troupe status\n"
                 "  troupe status --json\n"
                 "  troupe status --url http://10.0.0.5:9400 --key TOKEN");
  status->callback([&common] {
    auto node = require_node(common, load_config(common));
    auto answer = http_client{node.ops_url, node.key}.get("/ops/v1/node");
    if (common.json)
      print_json(answer);
    else
      show(answer);
    if (text(answer, "phase") != "ready")
      throw quiet_exit(1);
  });
}

} // namespace troupe::cli
