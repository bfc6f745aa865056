// The configuration from all its layers: built-in defaults < troupe.yaml < troupe.<env>.yaml <
// environment (TROUPE_GATEWAY__LISTEN) < --set gateway.listen=...
#pragma once

#include "config/config.hpp"

#include <map>
#include <string>
#include <string_view>
#include <vector>

namespace troupe::config {

/// What is wrong, and where.
struct problem {
  std::string where; // "troupe.yaml:12:3", "TROUPE_GATEWAY__LISTEN", "--set"; empty: nowhere
  std::string key;   // "gateway.listen"; empty: none
  std::string text;  // never a secret
};

/// One line: "troupe.yaml:12:3: gateway.listen: expects ...".
std::string to_string(const problem& p);

/// One line each.
std::string to_string(const std::vector<problem>& problems);

/// Where values come from, by key path ("gateway.listen", "upstreams.0.name"); what is not in it
/// is a default.
using origins = std::map<std::string, std::string>;

using environment = std::map<std::string, std::string>;

/// A copy of this process's environment.
environment process_environment();

struct load_options {
  std::string file;              // empty: troupe.yaml in the working folder, if it is there
  std::string env;               // also troupe.<env>.yaml beside it, which must be there
  std::vector<std::string> sets; // key=value
  environment variables;         // usually process_environment()
};

struct loaded {
  node_config config;             // of what could be read, if there are problems
  origins where;                  // see `origins`
  std::vector<std::string> files; // read, in their order
  std::vector<problem> problems;  // empty: all is well

  bool ok() const { return problems.empty(); }
};

/// Reads all layers and validates the outcome. Never throws for what is written in them: all
/// problems are collected. Blocks on files: not for actors' threads.
loaded load(const load_options& options);

/// The same from one text in place of the files; `name` stands for the file in problems.
loaded load_text(std::string_view yaml, std::string_view name, const load_options& options = {});

} // namespace troupe::config
