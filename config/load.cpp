#include "config/load.hpp"

#include "config/assign.hpp"
#include "config/fallback.hpp"
#include "config/forms.hpp"
#include "config/validate.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cctype>
#include <filesystem>
#include <fstream>
#include <iterator>

extern char** environ;

namespace troupe::config {

namespace {

namespace fs = std::filesystem;

constexpr std::string_view default_file = "troupe.yaml";
constexpr std::string_view variable_prefix = "TROUPE_";

/// A file's text, at most one byte over the limit, so that YAML's bound refuses what is longer.
std::optional<std::string> read_file(const fs::path& path, std::size_t bytes_max) {
  std::error_code failed;
  if (fs::is_directory(path, failed))
    return std::nullopt;
  std::ifstream in{path, std::ios::binary};
  if (!in)
    return std::nullopt;
  std::string text(bytes_max + 1, '\0');
  in.read(text.data(), static_cast<std::streamsize>(text.size()));
  text.resize(static_cast<std::size_t>(in.gcount()));
  return text;
}

void add_text(loaded& into, std::string_view text, std::string_view name) {
  try {
    auto root = parse_yaml(text);
    into.files.emplace_back(name);
    assigner{into}.assign_tree(*root, name);
  } catch (const yaml_error& e) {
    into.problems.push_back({fmt::format("{}:{}:{}", name, e.line, e.column), "", e.what()});
  }
}

void add_file(loaded& into, const fs::path& path, std::string_view missing) {
  if (auto text = read_file(path, yaml_limits{}.bytes_max))
    add_text(into, *text, path.string());
  else
    into.problems.push_back({path.string(), "", std::string{missing}});
}

void add_files(loaded& into, const load_options& options) {
  fs::path base = options.file.empty() ? fs::path{default_file} : fs::path{options.file};
  std::error_code ignored;
  if (!options.file.empty() || fs::exists(base, ignored))
    add_file(into, base, "cannot be read; check --config and the file's permissions");
  if (options.env.empty())
    return;
  auto on_top =
      base.parent_path()
      / fmt::format("{}.{}{}", base.stem().string(), options.env, base.extension().string());
  add_file(into, on_top, fmt::format("cannot be read, and --env {} asks for it", options.env));
}

/// One part of a path: numbers in their order, so that item 2 comes before item 10.
bool comes_before(std::string_view a, std::string_view b) {
  auto is_number = [](std::string_view x) {
    return !x.empty() && x.size() < 10
           && std::all_of(x.begin(), x.end(), [](unsigned char c) { return std::isdigit(c) != 0; });
  };
  if (is_number(a) && is_number(b) && a.size() != b.size())
    return a.size() < b.size();
  return a < b;
}

bool path_before(std::string_view a, std::string_view b) {
  while (!a.empty() && !b.empty()) {
    auto first_a = a.substr(0, a.find('.'));
    auto first_b = b.substr(0, b.find('.'));
    if (first_a != first_b)
      return comes_before(first_a, first_b);
    a.remove_prefix(std::min(first_a.size() + 1, a.size()));
    b.remove_prefix(std::min(first_b.size() + 1, b.size()));
  }
  return a.empty() && !b.empty();
}

/// TROUPE_GATEWAY__LISTEN -> gateway.listen. Other variables (TROUPE_KEY) are not of the
/// configuration; a whole list (TROUPE_UPSTREAMS) is.
std::string path_of_variable(std::string_view name) {
  if (!name.starts_with(variable_prefix))
    return {};
  name.remove_prefix(variable_prefix.size());
  std::string path;
  bool has_parts = false;
  for (std::size_t i = 0; i < name.size(); ++i) {
    if (name.substr(i, 2) == "__") {
      path += '.';
      has_parts = true;
      ++i;
    } else {
      path += static_cast<char>(std::tolower(static_cast<unsigned char>(name[i])));
    }
  }
  const auto* s = find_section(path);
  return has_parts || (s != nullptr && s->list) ? path : std::string{};
}

void add_environment(loaded& into, const environment& variables) {
  struct assignment {
    std::string path;
    const std::string* name;
    const std::string* text;
  };
  std::vector<assignment> all;
  for (const auto& [name, text] : variables)
    if (auto path = path_of_variable(name); !path.empty())
      all.push_back({std::move(path), &name, &text});
  std::stable_sort(all.begin(), all.end(),
                   [](const auto& a, const auto& b) { return path_before(a.path, b.path); });
  assigner to{into};
  for (const auto& a : all)
    to.assign_path(a.path, *a.text, *a.name);
}

void add_sets(loaded& into, const std::vector<std::string>& sets) {
  assigner to{into};
  for (const auto& set : sets) {
    auto equals = set.find('=');
    if (equals == std::string::npos)
      into.problems.push_back(
          {"--set", "", "expects key=value, as in --set gateway.listen=0.0.0.0:8080"});
    else
      to.assign_path(std::string_view{set}.substr(0, equals), set.substr(equals + 1), "--set");
  }
}

/// One form for what may be written in several.
void normalize(node_config& config) {
  for (auto& u : config.upstreams)
    while (u.base_url.ends_with('/'))
      u.base_url.pop_back();
  for (auto* listen : {&config.gateway.listen, &config.ops.listen})
    if (auto parsed = parse_listen(*listen))
      *listen = to_string(*parsed);
}

void finish(loaded& into, const load_options& options) {
  add_environment(into, options.variables);
  add_sets(into, options.sets);
  add_fallback_upstream(into, options.variables);
  resolve_references(into, options.variables);
  normalize(into.config);
  auto found = validate(into.config, into.where);
  into.problems.insert(into.problems.end(), found.begin(), found.end());
}

} // namespace

std::string to_string(const problem& p) {
  std::string line;
  for (const auto* part : {&p.where, &p.key, &p.text}) {
    if (part->empty())
      continue;
    if (!line.empty())
      line += ": ";
    line += *part;
  }
  return line;
}

std::string to_string(const std::vector<problem>& problems) {
  std::string lines;
  for (const auto& p : problems)
    lines += to_string(p) + "\n";
  return lines;
}

environment process_environment() {
  environment result;
  for (char** p = environ; p != nullptr && *p != nullptr; ++p) {
    std::string_view pair{*p};
    if (auto equals = pair.find('='); equals != std::string_view::npos)
      result.emplace(pair.substr(0, equals), pair.substr(equals + 1));
  }
  return result;
}

loaded load(const load_options& options) {
  loaded result;
  add_files(result, options);
  finish(result, options);
  return result;
}

loaded load_text(std::string_view yaml, std::string_view name, const load_options& options) {
  loaded result;
  add_text(result, yaml, name);
  finish(result, options);
  return result;
}

} // namespace troupe::config
