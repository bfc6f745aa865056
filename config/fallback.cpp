#include "config/fallback.hpp"

#include "config/table.hpp"

#include <fmt/format.h>

#include <fstream>

namespace troupe::config {

namespace {

constexpr std::size_t secret_bytes_max = 16'384;

std::string variable(const environment& variables, const std::string& name) {
  auto i = variables.find(name);
  return i == variables.end() ? std::string{} : i->second;
}

void add(loaded& into, upstream_section upstream, const std::string& where) {
  into.config.upstreams.push_back(std::move(upstream));
  for (const auto* key : {"name", "dialect", "base_url", "api_key", "models", "allow_private"})
    into.where[fmt::format("upstreams.0.{}", key)] = where;
}

std::string without_line_end(std::string text) {
  while (text.ends_with('\n') || text.ends_with('\r'))
    text.pop_back();
  return text;
}

/// Replaces one reference; empty if that went well, else what is wrong.
std::string resolve(std::string& secret, const environment& variables) {
  if (secret.starts_with("env:")) {
    auto name = secret.substr(4);
    secret = variable(variables, name);
    return secret.empty() ? fmt::format("the variable {} is not set", name) : std::string{};
  }
  if (secret.starts_with("file:")) {
    auto path = secret.substr(5);
    secret.clear();
    std::ifstream in{path, std::ios::binary};
    std::string text(secret_bytes_max + 1, '\0');
    if (!in.read(text.data(), static_cast<std::streamsize>(text.size())) && in.gcount() == 0)
      return fmt::format("the file {} is empty or cannot be read", path);
    text.resize(static_cast<std::size_t>(in.gcount()));
    if (text.size() > secret_bytes_max)
      return fmt::format("the file {} is longer than {} bytes", path, secret_bytes_max);
    secret = without_line_end(std::move(text));
  }
  return {};
}

} // namespace

void add_fallback_upstream(loaded& into, const environment& variables) {
  if (!into.config.upstreams.empty())
    return;
  auto key = variable(variables, "OPENAI_API_KEY");
  auto url = variable(variables, "OPENAI_BASE_URL");
  auto model = variable(variables, "OPENAI_MODEL");
  upstream_section made;
  if (key.empty() && url.empty()) {
    made.name = "demo";
    made.dialect = "demo";
    made.models = {"demo", "*"};
    add(into, std::move(made), "built in, as no upstream is configured");
    return;
  }
  made.name = "openai";
  made.base_url = url.empty() ? "https://api.openai.com/v1" : url;
  made.api_key = key;
  // Whoever sets this variable starts the node: a server of their own is what they mean.
  made.allow_private = !url.empty();
  if (!model.empty())
    made.models = {model, "*"};
  else if (url.empty())
    made.models = {"gpt-4o-mini", "*"};
  add(into, std::move(made), key.empty() ? "OPENAI_BASE_URL" : "OPENAI_API_KEY");
  if (!url.empty())
    into.where["upstreams.0.base_url"] = "OPENAI_BASE_URL";
}

void resolve_references(loaded& into, const environment& variables) {
  for (const auto& s : sections()) {
    for (std::size_t i = 0; i < s.count(into.config); ++i) {
      for (const auto& key : s.keys) {
        if (key.secret != secrecy::whole)
          continue;
        auto target = key.at(into.config, i);
        auto& secret = *std::get<std::string*>(target);
        auto path = key_path(s, i, key);
        auto written = secret;
        if (auto wrong = resolve(secret, variables); !wrong.empty())
          into.problems.push_back({into.where[path], path, wrong});
        else if (written != secret)
          into.where[path] += fmt::format(" ({})", written);
      }
    }
  }
}

} // namespace troupe::config
