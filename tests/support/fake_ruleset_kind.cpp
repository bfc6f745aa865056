#include "tests/support/fake_ruleset_kind.hpp"

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include <stdexcept>

namespace troupe::test {

namespace {

using rulesets::checked_item;

checked_item fault(std::string text) { return {{}, {}, std::move(text)}; }

} // namespace

checked_item fake_ruleset_kind::check(std::string_view json) const {
  auto read = nlohmann::json::parse(json, nullptr, false);
  if (!read.is_object() || !read.contains("key"))
    return fault("an item must be an object with a key");
  auto key = read.at("key").get<std::string>();
  if (key == "bad")
    return fault("the key may not be bad");
  return {key, read.dump(), {}};
}

checked_item fake_ruleset_kind::identify(std::string_view json) const {
  auto out = check(json);
  out.body.clear();
  return out;
}

rulesets::imported_items fake_ruleset_kind::import_file(std::string_view file,
                                                        std::string_view format, std::string_view,
                                                        std::string_view) const {
  rulesets::imported_items out;
  out.encoding = "UTF-8";
  if (format == "none") {
    out.fault = "there is no format none: use text";
    return out;
  }
  int line = 1;
  while (!file.empty()) {
    auto end = file.find('\n');
    std::string text{file.substr(0, end)};
    if (text.starts_with('!')) {
      ++out.problems_total;
      if (out.problems.size() < rulesets::problems_max) {
        auto& problem = out.problems.emplace_back();
        problem.set_line(line);
        problem.set_item(text);
        problem.set_text("it begins with !");
      }
    } else {
      out.items.push_back({text, nlohmann::json{{"key", text}}.dump(), {}});
    }
    ++line;
    file = end == std::string_view::npos ? std::string_view{} : file.substr(end + 1);
  }
  return out;
}

rulesets::exported_items fake_ruleset_kind::export_items(const rulesets::loaded_ruleset& set,
                                                         std::string_view format) const {
  rulesets::exported_items out;
  if (format == "none") {
    out.fault = "format none cannot hold them";
    return out;
  }
  for (const auto& body : set.bodies)
    out.content += body + "\n";
  out.media_type = "text/plain";
  out.extension = "txt";
  return out;
}

std::vector<v1::RulesetProblem> fake_ruleset_kind::lint(const rulesets::loaded_ruleset& set,
                                                        std::string_view ordinary_text) const {
  {
    std::lock_guard guard{mutex_};
    if (broken_)
      throw std::runtime_error("broken as it was told");
  }
  std::vector<v1::RulesetProblem> out;
  for (const auto& body : set.bodies)
    if (body.find(ordinary_text) != std::string::npos)
      out.emplace_back().set_item(body);
  return out;
}

rulesets::made_summary fake_ruleset_kind::put_to_work(std::vector<rulesets::loaded_ruleset> sets) {
  std::lock_guard guard{mutex_};
  if (broken_)
    throw std::runtime_error("broken as it was told");
  rulesets::made_summary out;
  at_work_.clear();
  for (const auto& set : sets) {
    at_work_ += fmt::format("{}{}@{}:{}", at_work_.empty() ? "" : " ", set.ruleset.name(),
                            set.ruleset.version(), set.bodies.size());
    out.items += static_cast<std::int64_t>(set.bodies.size());
  }
  out.memory_bytes = 64 * out.items;
  ++times_made_;
  return out;
}

std::string fake_ruleset_kind::at_work() const {
  std::lock_guard guard{mutex_};
  return at_work_;
}

int fake_ruleset_kind::times_made() const {
  std::lock_guard guard{mutex_};
  return times_made_;
}

void fake_ruleset_kind::break_down(bool broken) {
  std::lock_guard guard{mutex_};
  broken_ = broken;
}

} // namespace troupe::test
