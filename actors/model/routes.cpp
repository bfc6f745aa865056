#include "actors/model/routes.hpp"

#include <algorithm>
#include <numeric>
#include <set>

namespace troupe {

namespace {

constexpr std::string_view demo = "demo";
constexpr std::string_view usual = "gpt-4o-mini"; // of an upstream that names none

bool is_demo(const config::upstream_section& x) { return x.dialect == demo; }

bool listed(const std::vector<std::string>& patterns, std::string_view model) {
  return std::any_of(patterns.begin(), patterns.end(),
                     [&](const std::string& pattern) { return matches_pattern(pattern, model); });
}

bool serves(const config::upstream_section& x, std::string_view model) {
  if (x.model_map.contains(std::string{model}) || listed(x.models, model))
    return true;
  if (!x.models.empty())
    return false;
  return is_demo(x) ? model == demo && x.model_map.empty() : true;
}

// The names of one upstream that are no patterns.
std::vector<std::string> names_of(const config::upstream_section& x) {
  std::vector<std::string> names;
  for (const auto& name : x.models)
    if (!is_pattern(name))
      names.push_back(name);
  for (const auto& [ours, theirs] : x.model_map)
    if (!is_pattern(ours))
      names.push_back(ours);
  if (names.empty() && x.models.empty() && is_demo(x))
    names.emplace_back(demo);
  return names;
}

std::size_t edit_distance(std::string_view x, std::string_view y) {
  std::vector<std::size_t> row(y.size() + 1);
  std::iota(row.begin(), row.end(), std::size_t{0});
  for (std::size_t i = 0; i < x.size(); ++i) {
    auto diagonal = row[0];
    row[0] = i + 1;
    for (std::size_t j = 0; j < y.size(); ++j) {
      auto above = row[j + 1];
      row[j + 1] = std::min({above + 1, row[j] + 1, diagonal + (x[i] == y[j] ? 0 : 1)});
      diagonal = above;
    }
  }
  return row.back();
}

} // namespace

std::string default_model(const config::node_config& config) {
  if (!config.session.default_model.empty())
    return config.session.default_model;
  if (config.upstreams.empty())
    return std::string{demo};
  const auto& first = config.upstreams.front();
  if (auto names = names_of(first); !names.empty())
    return names.front();
  return std::string{!is_demo(first) && serves(first, usual) ? usual : demo};
}

std::vector<v1::RouteTarget> targets_for(const std::vector<config::upstream_section>& upstreams,
                                         std::string_view model) {
  std::vector<v1::RouteTarget> targets;
  for (const auto& x : upstreams) {
    if (!serves(x, model))
      continue;
    auto& target = targets.emplace_back();
    target.set_deployment(x.name);
    auto mapped = x.model_map.find(std::string{model});
    target.set_upstream_model(mapped == x.model_map.end() ? std::string{model} : mapped->second);
  }
  return targets;
}

model_facts facts_for(const std::vector<config::model_section>& models, std::string_view model) {
  auto facts = facts_of(model);
  for (const auto& x : models) {
    if (!matches_pattern(x.name, model))
      continue;
    if (!x.vocabulary.empty()) {
      facts.vocabulary = x.vocabulary;
      facts.known = true;
    }
    if (x.context_window_tokens > 0)
      facts.context_window_tokens = x.context_window_tokens;
    break;
  }
  return facts;
}

v1::ModelList listed_models(const std::vector<config::upstream_section>& upstreams,
                            const std::vector<config::model_section>& models) {
  v1::ModelList list;
  std::set<std::string> seen;
  for (const auto& upstream : upstreams)
    for (const auto& name : names_of(upstream)) {
      if (!seen.insert(name).second)
        continue;
      auto& model = *list.add_models();
      model.set_id(name);
      model.set_owned_by(upstream.name);
      model.set_context_window_tokens(facts_for(models, name).context_window_tokens);
    }
  return list;
}

std::vector<std::string> close_names(std::string_view name, const std::vector<std::string>& names,
                                     std::size_t count) {
  constexpr std::size_t compared_max = 64; // of a name: the cost is quadratic
  name = name.substr(0, compared_max);
  std::vector<std::pair<std::size_t, std::string>> ranked;
  for (const auto& x : names) {
    auto distance = edit_distance(name, std::string_view{x}.substr(0, compared_max));
    if (distance <= std::max(name.size(), x.size()) / 2 + 1)
      ranked.emplace_back(distance, x);
  }
  std::stable_sort(ranked.begin(), ranked.end(),
                   [](const auto& x, const auto& y) { return x.first < y.first; });
  std::vector<std::string> close;
  for (const auto& [distance, x] : ranked)
    if (close.size() < count)
      close.push_back(x);
  return close;
}

} // namespace troupe
