// A conversation in the terminal: what `troupe chat` does once it knows its node.
#pragma once

#include "cluster/cli/answer.hpp"
#include "cluster/cli/chat_memory.hpp"
#include "cluster/cli/client.hpp"
#include "cluster/cli/interrupt.hpp"
#include "cluster/cli/terminal.hpp"

#include <nlohmann/json.hpp>

#include <optional>
#include <string>
#include <vector>

namespace troupe::cli {

struct chat_options {
  std::string text;         // empty: a dialogue
  std::string conversation; // to go on with; empty: this terminal's
  bool fresh = false;       // begin a new one
  std::string model;        // empty: the conversation's
  std::string system;       // of a new conversation
  bool json = false;
};

/// One use of `troupe chat`.
class chat {
public:
  chat(node_address node, chat_options wanted, chat_memory memory, std::string terminal);

  /// Sends one message and prints its answer. Returns the exit code.
  int say_once();
  /// Reads lines until /quit or the end of input. Returns the exit code.
  int converse();

private:
  struct command {
    std::string name;
    std::string arguments;
    std::string help;
    void (chat::*run)(const std::string& argument);
  };
  static const std::vector<command>& commands();

  // The conversation.
  void choose();
  void take_over(const nlohmann::json& conversation);
  bool open_id(const std::string& id);
  const std::string& ensure();
  std::string path(const std::string& rest = {}) const;
  nlohmann::json conversation() { return client_.get(path()); }
  std::optional<nlohmann::json> last_user_message();
  std::string find_listed(const std::string& number_or_id) const;

  // Talking.
  answer send(nlohmann::json body, bool streamed);
  int report(const answer& got, bool streamed);
  void run_line(const std::string& line);
  void post(nlohmann::json body);
  bool confirm(const std::string& question);
  void say_dim(const std::string& text) const;

  // Commands.
  void show_help(const std::string& argument);
  void begin_new(const std::string& argument);
  void list(const std::string& argument);
  void open(const std::string& argument);
  void rename(const std::string& argument);
  void remove(const std::string& argument);
  void model(const std::string& argument);
  void system(const std::string& argument);
  void history(const std::string& argument);
  void regenerate(const std::string& argument);
  void edit(const std::string& argument);
  void stop(const std::string& argument);
  void quit(const std::string& argument);

  node_address node_;
  http_client client_;
  chat_options wanted_;
  chat_memory memory_;
  std::string terminal_;
  styles style_ = styles::of_stdout();
  interrupt_guard interrupts_;
  std::optional<line_editor> editor_;
  std::string id_; // empty: not made yet
  std::string title_;
  std::string last_turn_;
  std::vector<std::string> listed_; // ids, as numbered by /list
  bool over_ = false;
};

} // namespace troupe::cli
