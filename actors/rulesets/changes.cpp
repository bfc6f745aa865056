#include "actors/rulesets/changes.hpp"

#include "persistence/commands.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

namespace troupe::rulesets {

namespace {

constexpr std::size_t shown_bytes_max = 200; // of an item that has a problem

std::string shown(std::string_view item) {
  if (item.size() <= shown_bytes_max)
    return std::string{item};
  item = item.substr(0, shown_bytes_max);
  while (!item.empty() && (static_cast<unsigned char>(item.back()) & 0xc0) == 0x80)
    item.remove_suffix(1); // not within a character
  return std::string{item.substr(0, item.size() - 1)} + "...";
}

class change_maker {
public:
  void add_problem(std::string item, std::string text) {
    v1::RulesetProblem problem;
    problem.set_item(std::move(item));
    problem.set_text(std::move(text));
    add_problem(std::move(problem));
  }
  void add_problem(v1::RulesetProblem problem) {
    auto& answer = out.answer;
    answer.set_problems_total(answer.problems_total() + 1);
    if (static_cast<std::size_t>(answer.problems_size()) < problems_max)
      *answer.add_problems() = std::move(problem);
  }
  /// Takes a good item.
  void put(checked_item item) {
    if (item.body.size() > persistence::item_body_bytes_max) {
      add_problem(shown(item.body),
                  fmt::format("it has {} bytes, an item has at most {}: make it shorter",
                              item.body.size(), persistence::item_body_bytes_max));
      return;
    }
    auto& one = *out.change.add_put();
    one.set_key(std::move(item.key));
    one.set_body(std::move(item.body));
  }
  void refuse(ec code, std::string fault) {
    out.refused = code;
    out.fault = std::move(fault);
    out.keep_out = true;
  }

  checked_change out;
};

} // namespace

checked_change check_edit(const ruleset_kind& kind, const v1::EditRuleset& command) {
  change_maker made;
  auto& change = made.out.change;
  *change.mutable_context() = command.context();
  change.set_base_version(command.base_version());
  change.set_comment(command.comment());
  auto named = std::int64_t{command.put_size()} + command.remove_size();
  if (named > persistence::ruleset_items_max) {
    made.refuse(ec::too_large, fmt::format("an edit may name {} items, this one names {}: import "
                                           "a file, or divide it",
                                           persistence::ruleset_items_max, named));
    return std::move(made.out);
  }
  auto check = [&](const auto& list, std::string_view where, auto&& checked, auto&& take) {
    for (int i = 0; i < list.size(); ++i) {
      auto item = checked(list.Get(i));
      if (item.fault.empty())
        take(std::move(item));
      else
        made.add_problem(shown(list.Get(i)), fmt::format("{}[{}]: {}", where, i, item.fault));
    }
  };
  check(
      command.put(), "put", [&](const std::string& json) { return kind.check(json); },
      [&](checked_item item) { made.put(std::move(item)); });
  check(
      command.remove(), "remove", [&](const std::string& json) { return kind.identify(json); },
      [&](checked_item item) { change.add_remove(std::move(item.key)); });
  made.out.keep_out = made.out.answer.problems_total() > 0;
  return std::move(made.out);
}

checked_change check_import(const ruleset_kind& kind, const v1::ImportRuleset& command) {
  change_maker made;
  auto& change = made.out.change;
  *change.mutable_context() = command.context();
  change.set_base_version(command.base_version());
  change.set_comment(command.comment());
  change.set_replace(command.replace());
  change.set_dry_run(command.dry_run());
  if (command.file().size() > import_bytes_max) {
    made.refuse(ec::too_large, fmt::format("the file has {} bytes, at most {} are taken: divide "
                                           "it",
                                           command.file().size(), import_bytes_max));
    return std::move(made.out);
  }
  auto read = kind.import_file(command.file(), command.format(), command.encoding(),
                               command.defaults_json());
  made.out.answer.set_encoding(read.encoding);
  if (!read.fault.empty()) {
    made.refuse(ec::invalid_argument, std::move(read.fault));
    return std::move(made.out);
  }
  for (auto& problem : read.problems)
    made.add_problem(std::move(problem));
  auto more = static_cast<std::int64_t>(read.problems_total) - made.out.answer.problems_total();
  if (more > 0)
    made.out.answer.set_problems_total(static_cast<std::int64_t>(read.problems_total));
  for (auto& item : read.items)
    made.put(std::move(item));
  made.out.keep_out = made.out.answer.problems_total() > 0 && !command.skip_problems();
  if (!made.out.keep_out && change.put().empty())
    made.refuse(ec::invalid_argument, "the file has no items that can be taken: nothing was "
                                      "changed");
  return std::move(made.out);
}

} // namespace troupe::rulesets
