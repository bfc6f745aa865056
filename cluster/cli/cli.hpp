// The `troupe` command: what its subcommands share.
#pragma once

#include "messages/error.hpp"

#include <nlohmann/json_fwd.hpp>

#include <functional>
#include <stdexcept>
#include <string>
#include <vector>

namespace CLI {
class App; // CLI/CLI.hpp takes seconds to compile: only the files that define commands include it
}

namespace troupe::cli {

/// Flags that every subcommand takes.
struct options {
  std::string config_file;       // --config; empty: troupe.yaml here, if it exists
  std::string env;               // --env NAME: troupe.NAME.yaml on top
  std::vector<std::string> sets; // --set key=value, on top of all
  std::string url;               // --url: the node to talk to; empty: the one of this machine
  std::string key;               // --key: an API key; empty: the token file
  bool json = false;             // --json: for programs
};

/// Ends the command: the text goes to standard error and says what to do.
class failure : public std::runtime_error {
public:
  explicit failure(const std::string& text, int exit_code = 1) :
      std::runtime_error(text), exit_code(exit_code) {}
  explicit failure(const caf::error& err) : failure(describe(err), info(err).exit_code) {}
  int exit_code;
};

/// Ends the command with an exit code when all is said already.
class quiet_exit : public failure {
public:
  explicit quiet_exit(int exit_code) : failure("", exit_code) {}
};

/// Each adds one subcommand; its callback throws `failure`. Defined in
/// cluster/cli/<name>_command.cpp.
void add_serve_command(CLI::App& app, options& common);
void add_chat_command(CLI::App& app, options& common);
void add_status_command(CLI::App& app, options& common);
void add_actors_command(CLI::App& app, options& common);
void add_drain_command(CLI::App& app, options& common);
void add_key_command(CLI::App& app, options& common);
void add_config_command(CLI::App& app, options& common);
void add_db_command(CLI::App& app, options& common);
void add_mock_upstream_command(CLI::App& app, options& common);
void add_tokens_command(CLI::App& app, options& common);
/// Lexicons of sensitive words and sets of keyword rules: one implementation, two forms.
void add_words_command(CLI::App& app, options& common);
void add_keywords_command(CLI::App& app, options& common);
void add_text_command(CLI::App& app, options& common);
void add_completion_command(CLI::App& app, options& common);
void add_cluster_command(CLI::App& app, options& common);

/// Writes it to standard output, for programs. Bytes that are no UTF-8 are replaced.
void print_json(const nlohmann::json& value);

/// Runs the command line; returns the exit code: 0 done, 1 failed, 2 usage.
int run(int argc, char** argv);

} // namespace troupe::cli
