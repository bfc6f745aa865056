#include "cluster/cli/files.hpp"
#include "cluster/cli/ruleset_command.hpp"
#include "cluster/cli/terminal.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cstdio>
#include <fstream>

namespace troupe::cli {

namespace {

using nlohmann::json;

constexpr std::size_t file_bytes_max = 64 * 1024 * 1024;
constexpr int page_items = 1'000;
constexpr std::int64_t shown_usual = 50;

std::string next_of(const json& page) {
  return page.contains("next_cursor") && page["next_cursor"].is_string()
             ? page["next_cursor"].get<std::string>()
             : "";
}

std::int64_t number_of(const json& object, const char* name) {
  return object.contains(name) && object[name].is_number_integer()
             ? object[name].get<std::int64_t>()
             : 0;
}

std::string dump(const json& value) {
  return value.dump(-1, ' ', false, json::error_handler_t::replace);
}

} // namespace

std::string text_of(const json& object, const char* name) {
  return object.contains(name) && object[name].is_string() ? object[name].get<std::string>() : "";
}

void print_problems(const json& problems, std::int64_t total, bool failed) {
  auto* to = failed ? stderr : stdout;
  if (!problems.is_array())
    return;
  for (const auto& one : problems) {
    auto line = number_of(one, "line");
    auto where = line > 0 ? fmt::format("line {}: ", line) : std::string{};
    auto item = text_of(one, "item");
    auto kind = text_of(one, "kind");
    fmt::print(to, "{}{}{}{}\n", where, item.empty() ? "" : printable(item) + ": ",
               printable(text_of(one, "text")), kind.empty() ? "" : " (" + kind + ")");
  }
  if (auto told = static_cast<std::int64_t>(problems.size()); total > told)
    fmt::print(to, "... and {} more\n", total - told);
}

void print_text_status(const json& status, const ruleset_form& form) {
  auto error = text_of(status, "error");
  if (!error.empty())
    fmt::print("The database cannot be read: {}. What was read before stays in use.\n",
               printable(error));
  text_table table{{"SET", "VERSION", "ITEMS"}, {false, true, true}};
  for (const auto& set : status.value(form.sets, json::array()))
    table.add({text_of(set, "name"), std::to_string(number_of(set, "version")),
               std::to_string(number_of(set, "items"))});
  fmt::print("{}", table.render(styles::of_stdout()));
  auto built = number_of(status, "built_us");
  fmt::print("{} {}s in use, {} MB; made {} in {} ms.\n", number_of(status, "items"), form.item,
             short_number(static_cast<double>(number_of(status, "memory_bytes")) / 1e6),
             short_time(built), number_of(status, "build_took_us") / 1'000);
  print_problems(status.value("problems", json::array()), 0, false);
}

ruleset_client::ruleset_client(const options& common, const ruleset_form& form) :
    common_(common), form_(form), http_([&common] {
      auto node = require_node(common, load_config(common));
      return http_client{node.url, node.key};
    }()) {}

std::string ruleset_client::path_of(const std::string& set, const std::string& below) const {
  return fmt::format("{}/{}{}", form_.path, url_encode(set), below);
}

json ruleset_client::with_set(const std::string& set, const std::function<json()>& call) {
  try {
    return call();
  } catch (const api_failure& e) {
    if (e.status != 404)
      throw;
    if (set != "default")
      throw failure(fmt::format("there is no {} named {}: `troupe {} create {}` makes it",
                                form_.noun, set, form_.command, set));
  }
  http_.post(form_.path, {{"name", set}, {"enabled", true}});
  return call();
}

void ruleset_client::list() {
  auto all = http_.get(form_.path);
  if (common_.json)
    return print_json(all);
  const auto& sets = all.at("rulesets");
  if (sets.empty()) {
    fmt::print("No {}s yet. `troupe {} add` makes one named default.\n", form_.noun, form_.command);
    return;
  }
  text_table table{{"NAME", "VERSION", "ITEMS", "STATE", "CHANGED", "DESCRIPTION"},
                   {false, true, true}};
  for (const auto& set : sets)
    table.add({text_of(set, "name"), std::to_string(number_of(set, "version")),
               std::to_string(number_of(set, "items")),
               set.value("enabled", false) ? "in use" : "disabled",
               short_time(number_of(set, "updated_us")), printable(text_of(set, "description"))});
  fmt::print("{}", table.render(styles::of_stdout(), is_terminal(1) ? terminal_columns() : 0));
}

void ruleset_client::create(const ruleset_flags& flags) {
  auto made = http_.post(
      form_.path,
      {{"name", flags.name}, {"description", flags.description}, {"enabled", !flags.disabled}});
  if (common_.json)
    print_json(made);
  else
    fmt::print("The {} {} is made{}.\n", form_.noun, flags.name,
               flags.disabled ? ", and disabled" : "");
}

void ruleset_client::show(const ruleset_flags& flags) {
  auto all = json::array();
  std::string cursor;
  auto wanted = flags.limit > 0 ? flags.limit : common_.json ? 1'000'000'000 : shown_usual;
  std::int64_t version = 0;
  do {
    auto left = wanted - static_cast<std::int64_t>(all.size());
    http_client::query query{{"limit", std::to_string(std::min<std::int64_t>(left, page_items))}};
    if (!flags.query.empty())
      query.emplace_back("q", flags.query);
    if (flags.version > 0)
      query.emplace_back("version", std::to_string(flags.version));
    if (!cursor.empty())
      query.emplace_back("cursor", cursor);
    auto page = http_.get(path_of(flags.set, "/items"), query);
    for (auto& item : page.at("items"))
      all.push_back(std::move(item));
    version = number_of(page, "version");
    cursor = next_of(page);
  } while (!cursor.empty() && static_cast<std::int64_t>(all.size()) < wanted);
  if (common_.json)
    return print_json({{"items", all}, {"version", version}, {"more", !cursor.empty()}});
  text_table table{form_.heads};
  for (const auto& item : all)
    table.add(form_.row(item.at("item")));
  fmt::print("{}", table.render(styles::of_stdout(), is_terminal(1) ? terminal_columns() : 0));
  if (!cursor.empty())
    fmt::print("There are more: --limit shows them, --query chooses.\n");
}

void ruleset_client::print_edited(const json& edited, const std::string& set, bool dry_run) {
  if (common_.json)
    return print_json(edited);
  print_problems(edited.value("problems", json::array()), number_of(edited, "problems_total"),
                 true);
  auto change = edited.value("change", json());
  if (edited.value("unchanged", false) || !change.is_object()) {
    fmt::print("Nothing changed: {} has this already.\n", set);
    return;
  }
  auto what = fmt::format("{} added, {} changed, {} removed", number_of(change, "added"),
                          number_of(change, "changed"), number_of(change, "removed"));
  if (dry_run)
    fmt::print("Would be: {}; {} would have {} {}s.\n", what, set, number_of(change, "items"),
               form_.item);
  else
    fmt::print("{}; {} is at version {} and has {} {}s.\n", what, set, number_of(change, "version"),
               number_of(change, "items"), form_.item);
  auto ruleset = edited.value("ruleset", json::object());
  if (!dry_run && ruleset.contains("enabled") && ruleset["enabled"] == false)
    fmt::print("It is disabled: `troupe {} enable --set {}` puts it to use.\n", form_.command, set);
}

void ruleset_client::add(const ruleset_flags& flags, const json& items) {
  json body{{"put", items}};
  if (!flags.comment.empty())
    body["comment"] = flags.comment;
  print_edited(with_set(flags.set, [&] { return http_.post(path_of(flags.set, "/items"), body); }),
               flags.set, false);
}

void ruleset_client::remove(const ruleset_flags& flags, const json& items) {
  json body{{"remove", items}};
  if (!flags.comment.empty())
    body["comment"] = flags.comment;
  print_edited(http_.post(path_of(flags.set, "/items"), body), flags.set, false);
}

void ruleset_client::import_file(const ruleset_flags& flags) {
  auto content = read_input(flags.file, file_bytes_max);
  http_client::query query;
  auto say = [&](const char* name, const std::string& value) {
    if (!value.empty())
      query.emplace_back(name, value);
  };
  say("format", flags.format);
  say("encoding", flags.encoding);
  say("comment", flags.comment);
  say("replace", flags.replace ? "true" : "");
  say("skip_problems", flags.skip_problems ? "true" : "");
  say("dry_run", flags.dry_run ? "true" : "");
  try {
    print_edited(
        with_set(flags.set,
                 [&] { return http_.put_file(path_of(flags.set, "/file"), query, content); }),
        flags.set, flags.dry_run);
  } catch (const api_failure& e) {
    if (common_.json && !e.answer.is_null())
      print_json(e.answer);
    else if (e.answer.is_object() && e.answer.contains("problems"))
      print_problems(e.answer["problems"], number_of(e.answer, "problems_total"), true);
    throw;
  }
}

void ruleset_client::export_file(const ruleset_flags& flags) {
  http_client::query query;
  if (!flags.format.empty())
    query.emplace_back("format", flags.format);
  if (flags.version > 0)
    query.emplace_back("version", std::to_string(flags.version));
  auto content = http_.get_file(path_of(flags.set, "/file"), query);
  if (!flags.output.empty() && flags.output != "-") {
    std::ofstream file{flags.output, std::ios::binary};
    file << content;
    file.close();
    if (!file)
      throw failure(fmt::format("cannot write {}", flags.output));
    return;
  }
  write_output(content);
}

void ruleset_client::versions(const ruleset_flags& flags) {
  auto wanted = flags.limit > 0 ? flags.limit : shown_usual;
  http_client::query query{{"limit", std::to_string(std::min<std::int64_t>(wanted, 200))}};
  auto page = http_.get(path_of(flags.set, "/versions"), query);
  if (common_.json)
    return print_json(page);
  text_table table{{"VERSION", "MADE", "ADDED", "CHANGED", "REMOVED", "ITEMS", "COMMENT"},
                   {true, false, true, true, true, true}};
  for (const auto& one : page.at("versions")) {
    auto from = number_of(one, "restored_from");
    auto comment = printable(text_of(one, "comment"));
    table.add({std::to_string(number_of(one, "version")), short_time(number_of(one, "created_us")),
               std::to_string(number_of(one, "added")), std::to_string(number_of(one, "changed")),
               std::to_string(number_of(one, "removed")), std::to_string(number_of(one, "items")),
               from > 0 ? fmt::format("as version {} {}", from, comment) : comment});
  }
  fmt::print("{}", table.render(styles::of_stdout(), is_terminal(1) ? terminal_columns() : 0));
}

void ruleset_client::restore(const ruleset_flags& flags) {
  json body{{"version", flags.version}};
  if (!flags.comment.empty())
    body["comment"] = flags.comment;
  print_edited(http_.post(path_of(flags.set, "/restore"), body), flags.set, false);
}

void ruleset_client::diff(const ruleset_flags& flags) {
  json removed = json::array();
  json added = json::array();
  std::string cursor;
  do {
    http_client::query query{{"from", std::to_string(flags.version)},
                             {"limit", std::to_string(page_items)}};
    if (flags.to_version > 0)
      query.emplace_back("to", std::to_string(flags.to_version));
    if (!cursor.empty())
      query.emplace_back("cursor", cursor);
    auto page = http_.get(path_of(flags.set, "/diff"), query);
    for (auto& item : page.at("removed"))
      removed.push_back(std::move(item));
    for (auto& item : page.at("added"))
      added.push_back(std::move(item));
    cursor = next_of(page);
  } while (!cursor.empty());
  if (common_.json)
    return print_json({{"removed", removed}, {"added", added}});
  auto style = styles::of_stdout();
  // In order of the keys, what an item was before what it is.
  for (std::size_t r = 0, a = 0; r < removed.size() || a < added.size();) {
    bool first_removed =
        a == added.size()
        || (r < removed.size() && text_of(removed[r], "key") <= text_of(added[a], "key"));
    const auto& item = first_removed ? removed[r++] : added[a++];
    fmt::print("{}{} {}{}\n", first_removed ? style.red : style.green, first_removed ? '-' : '+',
               printable(dump(item.at("item"))), style.reset);
  }
}

void ruleset_client::lint(const ruleset_flags& flags) {
  auto body = json::object();
  if (!flags.ordinary.empty())
    body["ordinary_text"] = read_input(flags.ordinary, file_bytes_max);
  auto found = http_.post(path_of(flags.set, "/lint"), body);
  if (common_.json)
    return print_json(found);
  auto total = number_of(found, "problems_total");
  print_problems(found.value("problems", json::array()), total, false);
  if (total == 0)
    fmt::print("Nothing to complain about.\n");
}

void ruleset_client::erase(const ruleset_flags& flags) {
  if (!flags.yes)
    throw failure(fmt::format("this deletes {} with all its versions: say --yes, or "
                              "`troupe {} disable --set {}` to put it out of use",
                              flags.name, form_.command, flags.name),
                  2);
  auto gone = http_.del(path_of(flags.name));
  if (common_.json)
    print_json(gone);
  else
    fmt::print("The {} {} is deleted.\n", form_.noun, flags.name);
}

void ruleset_client::enable(const std::string& set, bool enabled) {
  auto now = http_.patch(path_of(set), {{"enabled", enabled}});
  if (common_.json)
    print_json(now);
  else
    fmt::print("The {} {} is {}.\n", form_.noun, set, enabled ? "in use" : "disabled");
}

} // namespace troupe::cli
