// `troupe completion`.
#include "cluster/cli/cli.hpp"
#include "cluster/cli/completion.hpp"

#include <CLI/CLI.hpp>
#include <fmt/format.h>

#include <cstdio>
#include <memory>

namespace troupe::cli {

void add_completion_command(CLI::App& app, options&) {
  auto shell = std::make_shared<std::string>();
  auto* completion = app.add_subcommand("completion", "Print a completion script for a shell");
  completion->add_option("shell", *shell, "bash, zsh or fish")
      ->required()
      ->check(CLI::IsMember({"bash", "zsh", "fish"}));
  completion->footer("Examples:\n"
                     "  source <(troupe completion bash)\n"
                     "  troupe completion fish > ~/.config/fish/completions/troupe.fish");
  completion->callback(
      [&app, shell] { fmt::print("{}", completion_script(describe_commands(app), *shell)); });
}

} // namespace troupe::cli
