#include "actors/keywords/keyword_kind.hpp"

#include "actors/charset/file_text.hpp"
#include "actors/keywords/rule_files.hpp"
#include "actors/keywords/rule_linter.hpp"

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include <algorithm>
#include <set>

namespace troupe::keywords {

namespace {

constexpr int compile_rounds_max = 8;
constexpr std::string_view rules_before = R"({"rules":[)";
constexpr std::string_view rules_after = "]}";

v1::RulesetProblem unusable(std::string item, std::string text, std::size_t line = 0) {
  return rulesets::problem_of(std::move(item), std::move(text), "unusable", line);
}

/// One rule. What is wrong with it is the fault.
rule read_rule(std::string_view json, std::string& fault) {
  auto text = fmt::format("{}{}\n{}", rules_before, json, rules_after);
  auto read = import_json(text);
  if (!read.problems.empty())
    fault = read.problems.front().what;
  else if (read.rules.size() != 1)
    fault = "it must be one JSON object";
  else
    return std::move(read.rules.front());
  return {};
}

/// All at once, which is much faster; one by one if one of them has a problem.
std::vector<rule> read_rules(const std::vector<std::string>& bodies, std::string_view set_name,
                             std::vector<v1::RulesetProblem>& problems) {
  std::string text{rules_before};
  for (const auto& body : bodies)
    text += (text.size() == rules_before.size() ? "" : ",\n") + body;
  text += rules_after;
  import_options options;
  options.file_bytes_max = static_cast<std::size_t>(-1);
  options.rules_max = bodies.size() + 1;
  auto read = import_json(text, options);
  if (read.problems.empty() && read.rules.size() == bodies.size())
    return std::move(read.rules);
  std::vector<rule> rules;
  for (const auto& body : bodies) {
    std::string fault;
    auto one = read_rule(body, fault);
    if (fault.empty())
      rules.push_back(std::move(one));
    else if (problems.size() < rulesets::problems_max)
      problems.push_back(unusable(std::string{set_name}, fault));
  }
  return rules;
}

std::int64_t bytes_of(const rule& r) {
  auto bytes = sizeof r + r.id.size() + r.text.size();
  auto add = [&](const std::vector<std::string>& all) {
    for (const auto& one : all)
      bytes += sizeof one + one.size();
  };
  add(r.words);
  add(r.scope.channels);
  add(r.scope.accounts);
  add(r.scope.groups);
  add(r.scope.users);
  for (const auto& answer : r.answers) {
    bytes += sizeof answer + answer.text.size();
    add(answer.images);
  }
  return static_cast<std::int64_t>(bytes);
}

bool looks_like_json(std::string_view text) {
  auto begin = text.find_first_not_of(" \t\r\n");
  return begin != text.npos && (text[begin] == '{' || text[begin] == '[');
}

imported_rules import_text(std::string_view text, bool as_json) {
  import_options options;
  options.keep_good = true;
  if (!as_json)
    return import_csv(text, options);
  auto begin = text.find_first_not_of(" \t\r\n");
  if (begin != text.npos && text[begin] == '[')
    return import_json(fmt::format(R"({{"rules":{}}})", text), options);
  return import_json(text, options);
}

} // namespace

std::string_view set_of(std::string_view id) noexcept {
  return id.substr(0, std::min(id.find(set_divider), id.size()));
}

std::string_view rule_of(std::string_view id) noexcept {
  auto at = id.find(set_divider);
  return at == id.npos ? id : id.substr(at + 1);
}

std::string shown_id(std::string_view id) { return fmt::format("{}/{}", set_of(id), rule_of(id)); }

matcher_options options_at_work() {
  matcher_options options;
  options.limits.id_bytes_max = 256;
  return options;
}

std::vector<rule> rules_of(const std::vector<rulesets::loaded_ruleset>& sets,
                           std::vector<v1::RulesetProblem>& problems) {
  std::vector<rule> rules;
  for (const auto& set : sets)
    for (auto& one : read_rules(set.bodies, set.ruleset.name(), problems)) {
      if (!one.enabled)
        continue;
      one.id = fmt::format("{}{}{}", set.ruleset.name(), set_divider, one.id);
      rules.push_back(std::move(one));
    }
  return rules;
}

// Rules were checked one by one already: what is left is too much of them together. Rules that are
// named go first, then the last set of all, until the rest fits.
std::shared_ptr<const matcher> compile_sets(const std::vector<rulesets::loaded_ruleset>& sets,
                                            std::vector<v1::RulesetProblem>& problems) {
  auto rules = rules_of(sets, problems);
  auto options = options_at_work();
  for (int round = 0;; ++round) {
    auto made = matcher::compile(rules, options);
    if (made.rules != nullptr)
      return made.rules;
    std::set<std::string, std::less<>> out;
    for (const auto& wrong : made.problems)
      if (!wrong.id.empty() && round < compile_rounds_max) {
        problems.push_back(unusable(shown_id(wrong.id), wrong.what));
        out.insert(wrong.id);
      }
    if (out.empty()) {
      std::string last{set_of(rules.back().id)};
      problems.push_back(
          unusable(last, fmt::format("the whole set is left out: {}", made.problems.front().what)));
      std::erase_if(rules, [&](const rule& r) { return set_of(r.id) == last; });
    }
    std::erase_if(rules, [&](const rule& r) { return out.contains(r.id); });
  }
}

rulesets::checked_item keyword_kind::check(std::string_view json) const {
  rulesets::checked_item made;
  auto read = read_rule(json, made.fault);
  if (!made.fault.empty())
    return made;
  made.key = read.id;
  made.body = export_json(read);
  return made;
}

rulesets::checked_item keyword_kind::identify(std::string_view json) const {
  rulesets::checked_item made;
  auto object = nlohmann::json::parse(json, nullptr, false);
  auto id = object.is_object() ? object.find("id") : object.end();
  if (!object.is_object() || id == object.end() || !id->is_string()
      || id->get_ref<const std::string&>().empty()
      || id->get_ref<const std::string&>().size() > rule_limits{}.id_bytes_max)
    made.fault = "name the rule by its id, as {\"id\": \"greeting\"}";
  else
    made.key = id->get<std::string>();
  return made;
}

rulesets::imported_items keyword_kind::import_file(std::string_view file, std::string_view format,
                                                   std::string_view encoding,
                                                   std::string_view defaults_json) const {
  rulesets::imported_items made;
  if (!format.empty() && format != "json" && format != "csv") {
    made.fault = "format must be json or csv";
    return made;
  }
  if (!defaults_json.empty() && defaults_json != "{}") {
    made.fault = "rules have no defaults: say it in each of them";
    return made;
  }
  auto content = charset::decode_file(file, encoding);
  made.encoding = content.encoding;
  if (!content.fault.empty()) {
    made.fault = std::move(content.fault);
    return made;
  }
  auto read =
      import_text(content.text, format.empty() ? looks_like_json(content.text) : format == "json");
  if (read.broken) {
    const auto& first = read.problems.back(); // what ended the reading
    made.fault = first.line == 0 ? first.what : fmt::format("line {}: {}", first.line, first.what);
    return made;
  }
  for (const auto& one : read.rules)
    made.items.push_back({one.id, export_json(one), {}});
  for (auto& one : read.problems)
    made.problems.push_back(unusable(std::move(one.id), std::move(one.what), one.line));
  made.problems_total = read.problems_total;
  return made;
}

rulesets::exported_items keyword_kind::export_items(const rulesets::loaded_ruleset& set,
                                                    std::string_view format) const {
  rulesets::exported_items made;
  if (!format.empty() && format != "json" && format != "csv") {
    made.fault = "keyword sets are exported as json or csv";
    return made;
  }
  std::vector<v1::RulesetProblem> problems;
  auto rules = read_rules(set.bodies, set.ruleset.name(), problems);
  if (!problems.empty()) {
    made.fault = "a rule of it cannot be read: " + problems.front().text();
    return made;
  }
  if (format == "csv") {
    made.content = export_csv(rules, made.fault);
    made.media_type = "text/csv; charset=utf-8";
    made.extension = "csv";
  } else {
    made.content = export_json(rules);
    made.media_type = "application/json";
    made.extension = "json";
  }
  return made;
}

std::vector<v1::RulesetProblem> keyword_kind::lint(const rulesets::loaded_ruleset& set,
                                                   std::string_view ordinary_text) const {
  std::vector<v1::RulesetProblem> problems;
  auto rules = read_rules(set.bodies, set.ruleset.name(), problems);
  for (auto& found : linted(rules, ordinary_text))
    problems.push_back(
        rulesets::problem_of(std::move(found.id), std::move(found.text), name_of(found.kind)));
  return problems;
}

rulesets::made_summary keyword_kind::put_to_work(std::vector<rulesets::loaded_ruleset> sets) {
  rulesets::made_summary summary;
  auto rules = compile_sets(sets, summary.problems);
  summary.items = static_cast<std::int64_t>(rules->size());
  summary.memory_bytes = static_cast<std::int64_t>(rules->index_bytes());
  for (rule_rank rank = 0; rank < rules->size(); ++rank)
    summary.memory_bytes += bytes_of(rules->at(rank));
  if (summary.problems.size() > rulesets::problems_max)
    summary.problems.resize(rulesets::problems_max);
  live_->replace(std::move(rules));
  return summary;
}

} // namespace troupe::keywords
