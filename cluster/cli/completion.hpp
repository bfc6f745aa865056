// Completion scripts for shells, made of the command line's own description. Pure.
#pragma once

#include <string>
#include <vector>

namespace CLI {
class App;
}

namespace troupe::cli {

/// One option of a command as a shell sees it.
struct shell_option {
  std::vector<std::string> names; // --long, -s
  std::string help;
  bool takes_value = false;
  bool takes_file = false;
  std::vector<std::string> values; // the only ones there are; empty: anything
};

/// A command, its subcommands below it.
struct shell_command {
  std::string name;
  std::string help;
  std::vector<shell_option> options;
  std::vector<std::string> words; // what may stand where a positional argument does
  std::vector<shell_command> subcommands;
};

/// The tree of `app`; every command also has the options of those above it.
shell_command describe_commands(const CLI::App& app);

/// `shell` is bash, zsh or fish.
std::string completion_script(const shell_command& root, const std::string& shell);

} // namespace troupe::cli
