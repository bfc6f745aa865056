// `troupe chat`.
#include "cluster/cli/chat.hpp"
#include "cluster/cli/local.hpp"

#include <CLI/CLI.hpp>
#include <fmt/format.h>
#include <fmt/ranges.h>
#include <unistd.h>

#include <cstdio>
#include <memory>

namespace troupe::cli {

namespace {

constexpr std::size_t input_bytes_max = 1'048'576;

struct chat_flags {
  std::vector<std::string> words;
  chat_options wanted;
};

std::string read_stdin() {
  std::string text;
  char piece[65'536];
  for (std::size_t n = 0; (n = std::fread(piece, 1, sizeof piece, stdin)) > 0;) {
    text.append(piece, n);
    if (text.size() > input_bytes_max)
      throw failure(fmt::format("standard input is over {} bytes", input_bytes_max));
  }
  while (text.ends_with('\n'))
    text.pop_back();
  return text;
}

/// The words, with standard input in the place of `-`; without words, what is piped in.
std::string gather_text(const std::vector<std::string>& words) {
  if (words.empty())
    return is_terminal(STDIN_FILENO) ? std::string{} : read_stdin();
  auto parts = words;
  for (auto& word : parts) {
    if (word == "-") {
      word = "\n\n" + read_stdin();
      break;
    }
  }
  return fmt::format("{}", fmt::join(parts, " "));
}

int run_chat(const options& common, chat_flags flags) {
  auto wanted = std::move(flags.wanted);
  wanted.json = common.json;
  bool dialogue = flags.words.empty() && is_terminal(STDIN_FILENO);
  if (dialogue && wanted.json)
    throw failure("--json needs a message: troupe chat --json TEXT", 2);
  wanted.text = gather_text(flags.words);
  if (!dialogue && wanted.text.find_first_not_of(" \t\n") == std::string::npos)
    throw failure("there is nothing to say: give a text, or pipe one in", 2);
  auto config = load_config(common);
  auto address = find_node(common, config);
  std::unique_ptr<embedded_node> own;
  if (!address) {
    own = start_embedded_node(config);
    address = own->address();
    if (is_terminal(STDERR_FILENO))
      fmt::print(stderr, "(no node runs here: this command answers by itself)\n");
  }
  chat one{*address, std::move(wanted), chat_memory{state_folder()}, this_terminal()};
  return dialogue ? one.converse() : one.say_once();
}

} // namespace

void add_chat_command(CLI::App& app, options& common) {
  auto flags = std::make_shared<chat_flags>();
  auto* chat = app.add_subcommand("chat", "Talk to a model, here in the terminal");
  chat->add_option("text", flags->words,
                   "Say this and print the answer; - stands for standard input. Without it: a "
                   "dialogue");
  chat->add_option("--conversation,-c", flags->wanted.conversation,
                   "Go on with this conversation (its id)");
  chat->add_flag("--new,-n", flags->wanted.fresh,
                 "Begin a new conversation instead of going on with this terminal's")
      ->excludes("--conversation");
  chat->add_option("--model,-m", flags->wanted.model, "Who shall answer");
  chat->add_option("--system,-s", flags->wanted.system, "System prompt of a new conversation");
  chat->footer(
      "Talks to the node that runs here, to the one at --url, or, when none runs, answers\n"
      "by itself with the same configuration and conversations.\n\n"
      "Examples:\n"
      "  troupe chat\n"
      "  troupe chat hello\n"
      "  git diff | troupe chat --new review this: -\n"
      "  troupe chat --url https://troupe.example --key sk-troupe-... hello");
  chat->callback([&common, flags] {
    auto code = run_chat(common, std::move(*flags));
    if (code != 0)
      throw quiet_exit(code);
  });
}

} // namespace troupe::cli
