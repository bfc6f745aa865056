#include "actors/keywords/template.hpp"

#include "actors/keywords/fold.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <optional>

namespace troupe::keywords {

namespace {

struct variable {
  std::string_view name;
  std::string_view template_values::*value;
};

constexpr std::array variables{
    variable{"user", &template_values::user},       variable{"user_id", &template_values::user_id},
    variable{"group", &template_values::group},     variable{"channel", &template_values::channel},
    variable{"date", &template_values::date},       variable{"time", &template_values::time},
    variable{"message", &template_values::message}, variable{"0", &template_values::matched},
};

/// The number of the capture that is meant: from 0; nothing if none can be.
std::optional<std::size_t> capture_index(std::string_view name,
                                         std::span<const std::string> capture_names) {
  if (name.size() == 1 && name[0] >= '1' && name[0] <= '9')
    return static_cast<std::size_t>(name[0] - '1');
  auto found = std::find(capture_names.begin(), capture_names.end(), name);
  if (name.empty() || found == capture_names.end())
    return {};
  return static_cast<std::size_t>(found - capture_names.begin());
}

/// Calls `literal(text)`, `variable(name)` or `broken(offset, what)` for each part, in order.
template <class Literal, class Variable, class Broken>
void for_each_part(std::string_view text, Literal&& literal, Variable&& variable, Broken&& broken) {
  std::size_t at = 0;
  while (at < text.size()) {
    auto brace = std::min(text.find_first_of("{}", at), text.size());
    if (brace > at)
      literal(text.substr(at, brace - at));
    if (brace == text.size())
      return;
    at = brace + 1;
    if (at < text.size() && text[at] == text[brace]) {
      literal(text.substr(at++, 1));
      continue;
    }
    auto close = text[brace] == '{' ? text.find_first_of("{}", at) : text.npos;
    if (close == text.npos || text[close] == '{') {
      broken(brace, text[brace] == '{' ? "a { without its }" : "a } without its {");
      literal(text.substr(brace, 1));
      continue;
    }
    variable(text.substr(at, close - at), brace);
    at = close + 1;
  }
}

std::string known_variables(std::size_t captures, std::span<const std::string> capture_names) {
  std::string known;
  for (const auto& v : variables)
    known += fmt::format("{}{{{}}}", known.empty() ? "" : ", ", v.name);
  for (std::size_t i = 0; i < captures; ++i)
    known += fmt::format(", {{{}}}", i + 1);
  for (const auto& name : capture_names)
    if (!name.empty())
      known += fmt::format(", {{{}}}", name);
  return known;
}

std::optional<std::string_view> value_of(std::string_view name, const template_values& values) {
  for (const auto& v : variables)
    if (v.name == name)
      return values.*v.value;
  auto index = capture_index(name, values.capture_names);
  if (!index || *index >= values.captures.size())
    return {};
  return values.captures[*index];
}

} // namespace

bool is_template_variable(std::string_view name) noexcept {
  return std::any_of(variables.begin(), variables.end(),
                     [name](const variable& v) { return v.name == name; });
}

std::string check_template(std::string_view text, std::size_t captures,
                           std::span<const std::string> capture_names) {
  std::string problem;
  auto keep = [&](std::size_t offset, std::string_view what) {
    if (problem.empty())
      problem = fmt::format("{} at byte {} (write {{{{ and }}}} to mean braces)", what, offset + 1);
  };
  for_each_part(
      text, [](std::string_view) {},
      [&](std::string_view name, std::size_t offset) {
        auto index = capture_index(name, capture_names);
        if (is_template_variable(name) || (index && *index < captures))
          return;
        keep(offset, fmt::format("{{{}}} is no variable of this rule, which has {},",
                                 cut_text(name, 64), known_variables(captures, capture_names)));
      },
      keep);
  return problem;
}

std::string render_template(std::string_view text, const template_values& values,
                            std::size_t bytes_max) {
  std::string out;
  auto add = [&](std::string_view part) {
    if (out.size() < bytes_max + 4) // one character more, so that the cut sees its border
      out += part.substr(0, bytes_max + 4 - out.size());
  };
  for_each_part(
      text, add,
      [&](std::string_view name, std::size_t offset) {
        auto value = value_of(name, values);
        add(value ? *value : text.substr(offset, name.size() + 2));
      },
      [](std::size_t, std::string_view) {});
  out.resize(cut_text(out, bytes_max).size());
  return out;
}

} // namespace troupe::keywords
