// `troupe config`: check, show, keys, sample.
#include "cluster/cli/cli.hpp"
#include "config/load.hpp"
#include "config/show.hpp"

#include <CLI/CLI.hpp>
#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include <cstdio>
#include <memory>

namespace troupe::cli {

namespace {

config::loaded load(const options& common, const std::string& file) {
  return config::load({.file = file.empty() ? common.config_file : file,
                       .env = common.env,
                       .sets = common.sets,
                       .variables = config::process_environment()});
}

std::string count(std::size_t n, std::string_view what) {
  return fmt::format("{} {}{}", n, what, n == 1 ? "" : "s");
}

failure problems_found(const config::loaded& result) {
  auto lines = config::to_string(result.problems);
  lines.pop_back();
  return failure(
      fmt::format("{} in the configuration:\n{}", count(result.problems.size(), "problem"), lines));
}

void check(const options& common, const std::string& file) {
  auto result = load(common, file);
  if (common.json) {
    auto problems = nlohmann::json::array();
    for (const auto& p : result.problems)
      problems.push_back({{"where", p.where}, {"key", p.key}, {"text", p.text}});
    print_json({{"ok", result.ok()}, {"files", result.files}, {"problems", std::move(problems)}});
  }
  if (!result.ok())
    throw problems_found(result);
  if (common.json)
    return;
  for (const auto& name : result.files)
    fmt::print("{}: good\n", name);
  if (result.files.empty())
    fmt::print("no troupe.yaml here; the defaults are good\n");
}

void show(const options& common, bool with_origins) {
  auto result = load(common, "");
  if (!result.ok())
    throw problems_found(result);
  if (!common.json)
    fmt::print("{}", config::to_yaml(result.config, with_origins ? &result.where : nullptr));
  else if (with_origins)
    print_json({{"config", config::to_json(result.config)},
                {"origins", result.where},
                {"files", result.files}});
  else
    print_json(config::to_json(result.config));
}

} // namespace

void add_config_command(CLI::App& app, options& common) {
  auto* config = app.add_subcommand("config", "Check and show the configuration");
  config->require_subcommand(1);

  auto file = std::make_shared<std::string>();
  auto* checking = config->add_subcommand("check", "Find every mistake in it");
  checking->add_option("file", *file, "Instead of --config");
  checking->callback([&common, file] { check(common, *file); });

  auto with_origins = std::make_shared<bool>(false);
  auto* showing = config->add_subcommand("show", "Print the values in force, without secrets");
  showing->add_flag("--origin", *with_origins, "Say where each value comes from");
  showing->callback([&common, with_origins] { show(common, *with_origins); });

  auto* keys = config->add_subcommand("keys", "List every key with its default and meaning");
  keys->callback([&common] {
    if (common.json)
      print_json(config::keys_json());
    else
      fmt::print("{}", config::keys_text());
  });

  auto* sample = config->add_subcommand("sample", "Print a troupe.yaml with every key");
  sample->callback([] { fmt::print("{}", config::sample_yaml()); });
}

} // namespace troupe::cli
