// `troupe serve`: runs a node in the foreground until it is told to stop.
#include "cluster/cli/cli.hpp"
#include "cluster/node.hpp"
#include "cluster/node_files.hpp"
#include "cluster/signals.hpp"
#include "config/forms.hpp"
#include "config/load.hpp"
#include "messages/log.hpp"

#include <CLI/CLI.hpp>
#include <fmt/format.h>
#include <sys/resource.h>
#include <unistd.h>

#include <atomic>
#include <cstdio>
#include <memory>
#include <string>

namespace troupe::cli {

namespace {

struct serve_flags {
  std::string node_name;
  std::string listen;
  std::string join;
  std::string roles;
  std::string http;
  std::string ops;
};

config::load_options load_options_of(const options& common, const serve_flags& flags) {
  config::load_options result{common.config_file, common.env, common.sets,
                              config::process_environment()};
  auto set = [&](const char* key, const std::string& value) {
    if (!value.empty())
      result.sets.push_back(fmt::format("{}={}", key, value));
  };
  set("node.name", flags.node_name);
  set("cluster.listen", flags.listen);
  set("cluster.join", flags.join);
  if (!flags.roles.empty())
    result.sets.push_back(fmt::format("cluster.roles=[{}]", flags.roles));
  set("gateway.listen", flags.http);
  set("ops.listen", flags.ops);
  return result;
}

config::node_config load_or_fail(const config::load_options& options) {
  auto loaded = config::load(options);
  if (!loaded.ok())
    throw failure{"the configuration is wrong:\n" + to_string(loaded.problems)
                      + "\n`troupe config keys` lists every key.",
                  2};
  return std::move(loaded.config);
}

/// What a node that joins others of this machine leaves to them: their data folder, the database in
/// it, and the ports they have. Whatever was given is kept.
void settle_beside_others(config::node_config& config) {
  auto other = config::parse_listen(config.cluster.join);
  if (!other || !config::is_loopback(other->host))
    return;
  auto own_folder = config.node.data_dir + "/nodes/" + config.node.name;
  if (config.store.backend == "sqlite" && config.store.url.empty()) {
    config.store.url = config.node.data_dir + "/troupe.db";
    config.node.data_dir = own_folder;
  } else if (config.node.data_dir == config::node_section{}.data_dir) {
    config.node.data_dir = own_folder;
  }
  if (config.gateway.listen == config::gateway_section{}.listen)
    config.gateway.listen = "127.0.0.1:0";
  if (config.ops.listen == config::ops_section{}.listen)
    config.ops.listen = "127.0.0.1:0";
}

log_options log_options_of(const config::log_section& section) {
  log_options result;
  parse_log_level(section.level, result.level);
  result.json = section.format == "json";
  result.file = section.file;
  return result;
}

// Only for people: programs read the log, or node.json.
void greet(const node& running) {
  if (::isatty(STDOUT_FILENO) == 0)
    return;
  if (running.url().empty()) {
    fmt::print("Troupe {} is ready, without a public port: it has not the role gateway\n"
               "  troupe status            see how it does\n",
               TROUPE_VERSION);
    std::fflush(stdout);
    return;
  }
  fmt::print("Troupe {} is ready at {}\n"
             "  troupe chat hello        talk to it\n"
             "  troupe key create        make a key for programs ({}/v1)\n"
             "  troupe status            see how it does\n",
             TROUPE_VERSION, running.url(), running.url());
  std::fflush(stdout);
}

void reload(node& running, const config::load_options& options) {
  auto loaded = config::load(options);
  if (!loaded.ok()) {
    log_error("reload_refused", {{"problems", to_string(loaded.problems)}});
    return;
  }
  auto result = running.reload(loaded.config);
  log_info("reloaded",
           {{"applied", fmt::format("{}", fmt::join(result.applied, ","))},
            {"needs_restart", fmt::format("{}", fmt::join(result.needs_restart, ","))}});
}

// A connection is an open file, and shells allow 1,024 unless asked.
void raise_file_limit(std::int64_t connections_max) {
  rlimit files{};
  if (::getrlimit(RLIMIT_NOFILE, &files) != 0)
    return;
  files.rlim_cur = files.rlim_max;
  ::setrlimit(RLIMIT_NOFILE, &files);
  if (files.rlim_max < static_cast<rlim_t>(connections_max))
    log_warn("few_files_allowed",
             {{"limit", static_cast<std::uint64_t>(files.rlim_max)},
              {"gateway.connections_max", connections_max},
              {"advice", "raise the limit of open files (ulimit -Hn, LimitNOFILE)"}});
}

void serve(const options& common, const serve_flags& flags) {
  block_signals();
  auto load_options = load_options_of(common, flags);
  auto config = load_or_fail(load_options);
  settle_beside_others(config);
  if (auto err = prepare_data_dir(config.node.data_dir))
    throw failure{err};
  open_log(log_options_of(config.log));
  raise_file_limit(config.gateway.connections_max);
  std::atomic<bool> failed = false;
  node_callbacks callbacks;
  callbacks.stop = [&failed](const std::string& reason) {
    failed = reason != "drain";
    wake_signal_waiter();
  };
  callbacks.reload = [] {
    send_reload_signal();
    return caf::error{};
  };
  auto started = node::start(std::move(config), std::move(callbacks));
  if (!started)
    throw failure{started.error()};
  auto running = std::move(*started);
  notify_service_manager("READY=1");
  greet(*running);
  for (auto signal = wait_signal(); signal != node_signal::stop; signal = wait_signal()) {
    if (signal == node_signal::reload)
      reload(*running, load_options);
    else
      reopen_log();
  }
  notify_service_manager("STOPPING=1");
  running->drain();
  running.reset();
  if (failed)
    throw failure{"the node could not go on; its log says why"};
}

} // namespace

void add_serve_command(CLI::App& app, options& common) {
  auto flags = std::make_shared<serve_flags>();
  auto* command = app.add_subcommand("serve", "Run a node until SIGTERM or Ctrl-C");
  command->add_option("--node", flags->node_name, "This node's name (node.name)");
  command->add_option("--listen", flags->listen,
                      "Port for other nodes, ADDRESS:PORT (cluster.listen)");
  command->add_option("--join", flags->join, "A node of the cluster to join (cluster.join)");
  command->add_option("--roles", flags->roles,
                      "What it does: gateway (public port), session (conversations), channel "
                      "(platforms), tools (counting for others); store and scheduler change "
                      "nothing yet. Default: all (cluster.roles)");
  command->add_option("--http", flags->http, "Public port, ADDRESS:PORT (gateway.listen)");
  command->add_option("--ops", flags->ops, "Operators' port, ADDRESS:PORT (ops.listen)");
  command->footer("A second node of this machine: troupe serve --node b --join 127.0.0.1:7400\nIt "
                  "shares the database and takes free ports where none are given.\n\nSIGTERM "
                  "drains and ends it, SIGHUP reloads the configuration, SIGUSR1 reopens "
                  "the log file.\nWithout any configuration the built-in demo model answers; "
                  "OPENAI_API_KEY alone makes a real one.");
  command->callback([flags, &common] { serve(common, *flags); });
}

} // namespace troupe::cli
