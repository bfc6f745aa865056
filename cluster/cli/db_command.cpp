// `troupe db`: status, migrate, check, backup, restore.
#include "cluster/cli/cli.hpp"
#include "cluster/node_files.hpp"
#include "config/load.hpp"
#include "messages/clock.hpp"
#include "persistence/migration.hpp"
#include "persistence/open.hpp"

#include <CLI/CLI.hpp>
#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include <cstdio>
#include <memory>

namespace troupe::cli {

namespace {

using nlohmann::json;

config::node_config load(const options& common) {
  auto result = config::load({.file = common.config_file,
                              .env = common.env,
                              .sets = common.sets,
                              .variables = config::process_environment()});
  if (!result.ok())
    throw failure("the configuration is wrong: `troupe config check` says where\n"
                  + config::to_string(result.problems));
  return std::move(result.config);
}

std::string human(std::int64_t bytes) {
  if (bytes < 1'024)
    return fmt::format("{} B", bytes);
  if (bytes < 1'024 * 1'024)
    return fmt::format("{:.1f} kB", static_cast<double>(bytes) / 1'024);
  return fmt::format("{:.1f} MB", static_cast<double>(bytes) / (1'024 * 1'024));
}

/// Runs `body` and turns what persistence/ throws into the command's end.
template <class Function>
void guarded(Function&& body) {
  try {
    body();
  } catch (const persistence::failure& error) {
    throw failure(error.what(), info(error.code).exit_code);
  }
}

void status(const options& common) {
  auto found = persistence::make_maintenance(load(common))->status();
  if (common.json) {
    print_json({{"backend", found.backend},
                {"location", found.location},
                {"exists", found.exists},
                {"in_use", found.in_use},
                {"bytes", found.bytes},
                {"log_bytes", found.log_bytes},
                {"schema_version", found.schema_version},
                {"wanted_version", found.wanted_version},
                {"broken_off", found.broken_off}});
    return;
  }
  fmt::print("{} at {}\n", found.backend, found.location);
  if (!found.exists) {
    fmt::print("not there yet: `troupe serve` or `troupe db migrate` makes it\n");
    return;
  }
  fmt::print("{}{}{}\n", human(found.bytes),
             found.log_bytes > 0 ? fmt::format(" and {} of log", human(found.log_bytes)) : "",
             found.in_use ? ", in use" : "");
  fmt::print("schema version {}", found.schema_version);
  if (found.broken_off)
    fmt::print(", a migration was interrupted: `troupe db migrate` goes on with it");
  else if (found.schema_version < found.wanted_version)
    fmt::print(", this binary needs {}: run `troupe db migrate`", found.wanted_version);
  fmt::print("\n");
}

void migrate(const options& common) {
  auto config = load(common);
  if (config.store.url.empty())
    if (auto error = prepare_data_dir(config.node.data_dir))
      throw failure(error);
  auto factory = persistence::make_database_factory(config);
  auto ran = persistence::prepare_database(*factory, system_clock()->now_us());
  auto version = persistence::migrations().back().version;
  if (common.json)
    print_json({{"location", factory->location()}, {"ran", ran}, {"schema_version", version}});
  else if (ran.empty())
    fmt::print("{} has schema version {} already\n", factory->location(), version);
  else
    fmt::print("{} has schema version {} now\n", factory->location(), version);
}

void check(const options& common) {
  auto findings = persistence::make_maintenance(load(common))->check();
  if (common.json) {
    auto list = json::array();
    for (const auto& found : findings)
      list.push_back({{"check", found.check}, {"detail", found.detail}});
    print_json({{"ok", findings.empty()}, {"findings", std::move(list)}});
  }
  if (!findings.empty()) {
    std::string lines;
    for (const auto& found : findings)
      lines += fmt::format("\n  {}: {}", found.check, found.detail);
    throw failure(fmt::format("{} thing{} wrong in the database:{}", findings.size(),
                              findings.size() == 1 ? " is" : "s are", lines));
  }
  if (!common.json)
    fmt::print("the database is sound\n");
}

void backup(const options& common, const std::string& to) {
  auto made = persistence::make_maintenance(load(common))->backup(to);
  if (common.json)
    print_json({{"file", made.file}, {"bytes", made.bytes}});
  else
    fmt::print("{}: {}, verified\n", made.file, human(made.bytes));
}

void restore(const options& common, const std::string& from) {
  auto config = load(common);
  auto done = persistence::make_maintenance(config)->restore(from);
  auto location = persistence::database_location(config);
  if (common.json) {
    print_json(
        {{"location", location}, {"kept", done.kept}, {"schema_version", done.schema_version}});
    return;
  }
  fmt::print("{} is now {} (schema version {})\n", location, from, done.schema_version);
  if (!done.kept.empty())
    fmt::print("what was there before is kept as {}\n", done.kept);
}

} // namespace

void add_db_command(CLI::App& app, options& common) {
  auto* db = app.add_subcommand("db", "Look after the database");
  db->require_subcommand(1);
  db->add_subcommand("status", "Where it is, how large, and its schema's version")
      ->callback([&common] { guarded([&] { status(common); }); });
  db->add_subcommand("migrate", "Make it, or bring its schema up to date")->callback([&common] {
    guarded([&] { migrate(common); });
  });
  db->add_subcommand("check", "Read all of it and find what is damaged (exit code 1)")
      ->callback([&common] { guarded([&] { check(common); }); });

  auto file = std::make_shared<std::string>();
  auto* backing = db->add_subcommand("backup", "Copy it to a new file while nodes go on");
  backing->add_option("file", *file, "The file to make")->required();
  backing->callback([&common, file] { guarded([&] { backup(common, *file); }); });

  auto* restoring = db->add_subcommand("restore", "Put a backup in its place; stop the node first");
  restoring->add_option("file", *file, "A file that `troupe db backup` made")->required();
  restoring->callback([&common, file] { guarded([&] { restore(common, *file); }); });
}

} // namespace troupe::cli
