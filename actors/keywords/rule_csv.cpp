#include "actors/csv/csv.hpp"
#include "actors/keywords/import_checks.hpp"

#include <algorithm>
#include <array>
#include <charconv>
#include <optional>
#include <utility>

namespace troupe::keywords {

namespace {

/// The order in which they are written; the last ones are those of an answer.
constexpr std::array<std::string_view, 19> column_names{
    "id",           "kind",   "text",   "priority", "enabled", "whole_words", "channels",
    "accounts",     "groups", "users",  "chats",    "hours",   "zone",        "cooldown_ms",
    "cooldown_per", "answer", "images", "prompt",   "weight"};
constexpr std::size_t first_answer_column = 15;
constexpr char divider = '|';

std::optional<std::size_t> column_of(std::string_view name) {
  auto found = std::find(column_names.begin(), column_names.end(), name);
  if (found == column_names.end())
    return {};
  return static_cast<std::size_t>(found - column_names.begin());
}

std::vector<std::string> divided(std::string_view text) {
  std::vector<std::string> parts;
  while (!text.empty()) {
    auto end = std::min(text.find(divider), text.size());
    parts.emplace_back(text.substr(0, end));
    text.remove_prefix(std::min(end + 1, text.size()));
  }
  return parts;
}

class csv_import {
public:
  csv_import(std::string_view text, const import_options& options) :
      text_(text), reader_(text), checks_(options) {}

  imported_rules run() {
    if (checks_.begin(text_) && read_header())
      while (!checks_.full() && reader_.next(fields_))
        read_record();
    finish_rule();
    if (!reader_.fault().empty())
      checks_.fail_whole(reader_.line(), {}, reader_.fault());
    return checks_.take();
  }

private:
  void fail(std::string what) {
    if (!wrong_)
      checks_.fail(reader_.line(), made_.id.substr(0, 64), std::move(what));
    wrong_ = true;
  }

  bool read_header() {
    if (!reader_.next(fields_)) {
      if (reader_.fault().empty())
        checks_.fail_whole(0, {}, "the file is empty: its first line must name the columns");
      return false;
    }
    for (const auto& name : fields_) {
      auto column = column_of(name);
      auto twice = column && std::find(columns_.begin(), columns_.end(), *column) != columns_.end();
      if (!column || twice)
        checks_.fail_whole(reader_.line(), {},
                           fmt::format("the column {} is {}", name.substr(0, 64),
                                       twice ? "there twice" : "unknown"));
      columns_.push_back(column.value_or(0));
    }
    auto known = std::find(columns_.begin(), columns_.end(), 0) != columns_.end();
    if (!known)
      checks_.fail_whole(reader_.line(), {}, "there must be a column id");
    return known;
  }

  void read_record() {
    std::array<std::string, column_names.size()> values;
    if (fields_.size() != columns_.size())
      return checks_.fail(
          reader_.line(), {},
          fmt::format("{} fields where the header has {}", fields_.size(), columns_.size()));
    for (std::size_t i = 0; i < fields_.size(); ++i)
      values[columns_[i]] = std::move(fields_[i]);
    auto goes_on = !made_.id.empty() && values[0] == made_.id;
    if (!goes_on) {
      finish_rule();
      line_ = reader_.line();
      made_.id = values[0];
      wrong_ = false;
      if (made_.id.empty())
        fail("id must not be empty");
    }
    for (std::size_t column = 1; column < first_answer_column; ++column) {
      if (values[column].empty())
        continue;
      if (goes_on)
        fail(fmt::format("{} must be empty in a line that adds an answer", column_names[column]));
      else
        read_value(column, values[column]);
    }
    read_answer(values);
  }

  void read_value(std::size_t column, const std::string& value) {
    auto name = column_names[column];
    if (name == "kind") {
      if (!from_string(value, made_.kind))
        fail("kind must be exact, prefix, contains, pattern or all_words");
    } else if (name == "text")
      made_.text = value;
    else if (name == "priority")
      read_number(name, value, made_.priority);
    else if (name == "enabled")
      read_flag(name, value, made_.enabled);
    else if (name == "whole_words")
      read_flag(name, value, made_.whole_words);
    else if (name == "cooldown_ms")
      read_number(name, value, made_.cooldown_ms);
    else if (name == "cooldown_per") {
      if (!from_string(value, made_.cooldown))
        fail("cooldown_per must be rule, chat or user");
    } else
      read_scope_value(name, value);
  }

  void read_scope_value(std::string_view name, const std::string& value) {
    auto& scope = made_.scope;
    if (name == "channels")
      scope.channels = divided(value);
    else if (name == "accounts")
      scope.accounts = divided(value);
    else if (name == "groups")
      scope.groups = divided(value);
    else if (name == "users")
      scope.users = divided(value);
    else if (name == "zone")
      scope.zone = value;
    else if (name == "chats") {
      if (!from_string(value, scope.chats))
        fail("chats must be any, private or group");
    } else
      for (const auto& part : divided(value)) {
        day_hours hours;
        if (!read_hours(part, hours))
          return fail("hours must be like 09:00-12:00|13:30-18:30");
        scope.hours.push_back(hours);
      }
  }

  void read_answer(std::array<std::string, column_names.size()>& values) {
    rule_answer answer;
    answer.text = std::move(values[first_answer_column]);
    answer.images = divided(values[first_answer_column + 1]);
    read_flag("prompt", values[first_answer_column + 2], answer.prompt);
    read_number("weight", values[first_answer_column + 3], answer.weight);
    made_.answers.push_back(std::move(answer));
  }

  template <class Integer>
  void read_number(std::string_view name, const std::string& value, Integer& out) {
    if (value.empty())
      return;
    auto end = value.data() + value.size();
    auto [at, error] = std::from_chars(value.data(), end, out);
    if (error != std::errc{} || at != end)
      fail(fmt::format("{} must be an integer", name));
  }

  void read_flag(std::string_view name, const std::string& value, bool& out) {
    if (value != "true" && value != "false" && !value.empty())
      return fail(fmt::format("{} must be true or false", name));
    if (!value.empty())
      out = value == "true";
  }

  void finish_rule() {
    if (made_.id.empty())
      return;
    if (made_.kind == rule_kind::all_words)
      made_.words = divided(std::exchange(made_.text, {}));
    if (!wrong_)
      checks_.add(line_, std::move(made_));
    made_ = {};
  }

  std::string_view text_;
  csv_reader reader_;
  import_checks checks_;
  std::vector<std::string> fields_;
  std::vector<std::size_t> columns_; // of each field
  rule made_;                        // the rule of the last lines
  std::size_t line_ = 0;             // where it began
  bool wrong_ = false;               // and something of it was told already
};

/// Writes rules; the first list that CSV cannot hold is kept as the problem.
class csv_export {
public:
  std::string run(std::span<const rule> rules, std::string& problem) {
    std::string text = csv_record({column_names.begin(), column_names.end()});
    for (const auto& r : rules)
      write(r, text);
    problem = problem_;
    return problem_.empty() ? text : "";
  }

private:
  std::string joined(const rule& r, const std::vector<std::string>& parts) {
    std::string text;
    for (const auto& part : parts) {
      if (part.find(divider) != part.npos && problem_.empty())
        problem_ =
            fmt::format("rule {} has a | in {}, which CSV cannot hold: use JSON", r.id, part);
      text += (text.empty() ? "" : "|") + part;
    }
    return text;
  }

  void write(const rule& r, std::string& text) {
    static const rule usual;
    auto flag = [](bool value, bool fallback) {
      return value == fallback ? "" : value ? "true" : "false";
    };
    auto number = [](auto value, auto fallback) {
      return value == fallback ? "" : std::to_string(value);
    };
    std::vector<std::string> hours;
    for (const auto& part : r.scope.hours)
      hours.push_back(to_string(part));
    std::vector<std::string> fields{
        r.id,
        std::string{to_string(r.kind)},
        r.kind == rule_kind::all_words ? joined(r, r.words) : r.text,
        number(r.priority, usual.priority),
        flag(r.enabled, usual.enabled),
        flag(r.whole_words, usual.whole_words),
        joined(r, r.scope.channels),
        joined(r, r.scope.accounts),
        joined(r, r.scope.groups),
        joined(r, r.scope.users),
        r.scope.chats == usual.scope.chats ? "" : std::string{to_string(r.scope.chats)},
        joined(r, hours),
        r.scope.zone == usual.scope.zone ? "" : r.scope.zone,
        number(r.cooldown_ms, usual.cooldown_ms),
        r.cooldown == usual.cooldown ? "" : std::string{to_string(r.cooldown)}};
    for (const auto& answer : r.answers) {
      fields.resize(first_answer_column);
      fields.push_back(answer.text);
      fields.push_back(joined(r, answer.images));
      fields.emplace_back(flag(answer.prompt, false));
      fields.push_back(number(answer.weight, rule_answer{}.weight));
      text += csv_record(fields);
      fields.assign(first_answer_column, "");
      fields[0] = r.id;
    }
  }

  std::string problem_;
};

} // namespace

imported_rules import_csv(std::string_view text, const import_options& options) {
  if (text.starts_with(byte_order_mark))
    text.remove_prefix(byte_order_mark.size());
  return csv_import{text, options}.run();
}

std::string export_csv(std::span<const rule> rules, std::string& problem) {
  return csv_export{}.run(rules, problem);
}

} // namespace troupe::keywords
