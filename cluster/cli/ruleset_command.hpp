// What `troupe words` and `troupe keywords` share: sets of items, managed over a node's REST API.
#pragma once

#include "cluster/cli/client.hpp"

#include <nlohmann/json.hpp>

#include <functional>
#include <memory>
#include <string>
#include <vector>

namespace CLI {
class App;
}

namespace troupe::cli {

/// What tells the two kinds apart.
struct ruleset_form {
  std::string command; // words
  std::string path;    // /api/v1/lexicons
  std::string noun;    // lexicon
  std::string sets;    // lexicons: what a status calls them
  std::string item;    // word
  std::string formats; // text, csv or json
  std::string file;    // words.txt, for examples
  std::vector<std::string> heads;
  /// A row of the table of items.
  std::function<std::vector<std::string>(const nlohmann::json& item)> row;
};

/// The set that a command works on, and what else its flags say.
struct ruleset_flags {
  std::string set = "default";
  std::string name; // of a set, where it is an argument
  std::string description;
  bool disabled = false;
  std::string query;
  std::int64_t version = 0;
  std::int64_t to_version = 0;
  std::int64_t limit = 0;
  std::string file;
  std::string output;
  std::string format;
  std::string encoding;
  std::string comment;
  std::string ordinary;
  bool replace = false;
  bool skip_problems = false;
  bool dry_run = false;
  bool yes = false;
};

/// A run of one command.
class ruleset_client {
public:
  ruleset_client(const options& common, const ruleset_form& form);

  void list();
  void create(const ruleset_flags& flags);
  void show(const ruleset_flags& flags);
  void add(const ruleset_flags& flags, const nlohmann::json& items);
  void remove(const ruleset_flags& flags, const nlohmann::json& items);
  void import_file(const ruleset_flags& flags);
  void export_file(const ruleset_flags& flags);
  void versions(const ruleset_flags& flags);
  void restore(const ruleset_flags& flags);
  void diff(const ruleset_flags& flags);
  void lint(const ruleset_flags& flags);
  void erase(const ruleset_flags& flags);
  void enable(const std::string& set, bool enabled);

  http_client& http() { return http_; }

private:
  std::string path_of(const std::string& set, const std::string& below = {}) const;
  /// Runs `call`; if the set `default` is missing, makes it first.
  nlohmann::json with_set(const std::string& set, const std::function<nlohmann::json()>& call);
  void print_edited(const nlohmann::json& edited, const std::string& set, bool dry_run);

  const options& common_;
  const ruleset_form& form_;
  http_client http_;
};

/// `[--set NAME]`, with help.
void add_set_option(CLI::App& command, const ruleset_form& form, ruleset_flags& flags);

/// All commands that both kinds have, but `add` and `remove`, whose arguments differ.
void add_ruleset_commands(CLI::App& parent, options& common, const ruleset_form& form,
                          const std::shared_ptr<ruleset_flags>& flags);

/// Prints what a service works by (GET .../status).
void print_text_status(const nlohmann::json& status, const ruleset_form& form);

/// Lines of problems, as `import` and `lint` tell them. To standard error if `failed`.
void print_problems(const nlohmann::json& problems, std::int64_t total, bool failed);

std::string text_of(const nlohmann::json& object, const char* name);

} // namespace troupe::cli
