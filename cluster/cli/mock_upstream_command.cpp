// `troupe mock-upstream`: an OpenAI-compatible upstream without a model.
#include "cluster/cli/cli.hpp"
#include "cluster/signals.hpp"
#include "gateway/mock/mock_upstream.hpp"
#include "gateway/server/server.hpp"
#include "messages/log.hpp"
#include "messages/system.hpp"

#include <CLI/CLI.hpp>
#include <caf/actor_system.hpp>
#include <fmt/format.h>

#include <chrono>
#include <cstdio>
#include <memory>

namespace troupe::cli {

namespace {

struct mock_command {
  std::string listen = "127.0.0.1:9500";
  std::int64_t shards = 0;
  gateway::mock_options options;
};

std::string fault_help() {
  std::string text = "Models: any name answers; these misbehave:\n";
  for (const auto& fault : gateway::mock_fault_list())
    text += fmt::format("  {:26} {}\n", fault.model, fault.what);
  return text + "GET /mock/stats tells what it has seen.";
}

void run_mock(const mock_command& command) {
  block_signals();
  set_log_level(log_level::warn);
  system_config config;
  caf::actor_system system{config};
  probes all_probes;
  gateway::gateway_probe probe;
  gateway::server_options options;
  options.config.listen = command.listen;
  options.config.shards = command.shards;
  options.config.request_limit_ms = 86'400'000; // some faults are slow
  options.access_log = false;
  gateway::server server{std::move(options), actor_host{&system, &all_probes}, probe};
  auto mock = command.options;
  mock.connections_open = [&probe] { return probe.connections.load(); };
  gateway::router routes;
  gateway::add_mock_routes(routes, std::move(mock));
  if (auto err = server.start(std::move(routes)))
    throw failure(err);
  fmt::print("mock upstream at http://{}/v1; ends with Ctrl-C\n", server.address());
  std::fflush(stdout);
  while (wait_signal() != node_signal::stop)
    ;
  server.stop_ingress(std::chrono::milliseconds{0});
  server.stop();
}

} // namespace

void add_mock_upstream_command(CLI::App& app, options&) {
  auto command = std::make_shared<mock_command>();
  auto* sub =
      app.add_subcommand("mock-upstream", "Serve a model provider for tests, without a model");
  sub->add_option("--listen", command->listen,
                  "Address and port; port 0: any free one, printed at the start")
      ->capture_default_str();
  sub->add_option("--latency-ms", command->options.latency_ms, "Before the first byte")
      ->check(CLI::Range(0, 3'600'000))
      ->capture_default_str();
  sub->add_option("--tokens-per-s", command->options.tokens_per_s,
                  "Pace of an answer; 0: all at once")
      ->check(CLI::Range(0.0, 1e6))
      ->capture_default_str();
  sub->add_option("--tokens", command->options.tokens, "Length of an answer")
      ->check(CLI::Range(0, 1'000'000))
      ->capture_default_str();
  sub->add_option("--shards", command->shards, "I/O threads; 0: one for every two cores")
      ->check(CLI::Range(0, 64))
      ->capture_default_str();
  sub->footer(fault_help());
  sub->callback([command] { run_mock(*command); });
}

} // namespace troupe::cli
