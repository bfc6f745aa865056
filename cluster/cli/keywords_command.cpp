// `troupe keywords`: rules that answer by themselves.
#include "cluster/cli/files.hpp"
#include "cluster/cli/ruleset_command.hpp"
#include "cluster/cli/terminal.hpp"

#include <CLI/CLI.hpp>
#include <fmt/format.h>
#include <fmt/ranges.h>

#include <chrono>
#include <utility>

namespace troupe::cli {

namespace {

using nlohmann::json;

struct rule_options {
  std::vector<std::string> ids;
  std::string id;
  std::string rule; // as JSON
  std::string kind;
  std::string text;
  std::vector<std::string> words;
  std::vector<std::string> answers;
  std::vector<std::string> images;
  bool prompt = false;
  int priority = 0;
  bool whole_words = false;
  std::vector<std::string> channels;
  std::vector<std::string> accounts;
  std::vector<std::string> groups;
  std::vector<std::string> users;
  std::string chats;
  std::vector<std::string> hours;
  std::string zone;
  std::int64_t cooldown_s = 0;
  std::string cooldown_per;
};

struct look_options {
  std::string text;
  std::string channel;
  std::string account;
  std::string chat;
  std::string user;
  bool group = false;
  std::string unit = "hour";
  std::int64_t last = 24;
  std::string keyword;
  std::int64_t limit = 20;
};

std::string list_text(const json& object, const char* name) {
  std::vector<std::string> all;
  for (const auto& one : object.value(name, json::array()))
    if (one.is_string())
      all.push_back(one.get<std::string>());
  return printable(fmt::format("{}", fmt::join(all, " | ")));
}

std::string answer_text(const json& item) {
  std::string text;
  for (const auto& answer : item.value("answers", json::array())) {
    text += text.empty() ? "" : " | ";
    if (answer.is_string())
      text += answer.get<std::string>();
    else if (answer.is_object()) {
      text += answer.value("prompt", false) ? "(prompt) " : "";
      text += text_of(answer, "text");
      text += answer.contains("images") ? " [images]" : "";
    }
  }
  return printable(text);
}

const ruleset_form& form() {
  static const ruleset_form rules{"keywords",
                                  "/api/v1/keyword-sets",
                                  "keyword set",
                                  "keyword_sets",
                                  "rule",
                                  "csv or json",
                                  "rules.csv",
                                  {"ID", "KIND", "TEXT", "PRIORITY", "STATE", "ANSWERS"},
                                  [](const json& item) {
                                    auto kind = text_of(item, "kind");
                                    return std::vector<std::string>{
                                        text_of(item, "id"),
                                        kind.empty() ? "contains" : kind,
                                        kind == "all_words" ? list_text(item, "words")
                                                            : printable(text_of(item, "text")),
                                        std::to_string(item.value("priority", 0)),
                                        item.value("enabled", true) ? "" : "disabled",
                                        answer_text(item)};
                                  }};
  return rules;
}

json scope_of(const rule_options& given) {
  auto scope = json::object();
  for (const auto& [name, list] : {std::pair{"channels", &given.channels},
                                   {"accounts", &given.accounts},
                                   {"groups", &given.groups},
                                   {"users", &given.users},
                                   {"hours", &given.hours}})
    if (!list->empty())
      scope[name] = *list;
  if (!given.chats.empty())
    scope["chats"] = given.chats;
  if (!given.zone.empty())
    scope["zone"] = given.zone;
  return scope;
}

/// The rule that the flags say; what they do not say has its default.
json rule_of(const rule_options& given) {
  if (!given.rule.empty()) {
    auto rule = json::parse(given.rule, nullptr, false);
    if (!rule.is_object())
      throw failure("--rule must be a JSON object, like "
                    R"({"id": "greet", "text": "hello", "answers": ["Hello!"]})",
                    2);
    if (!given.id.empty())
      rule["id"] = given.id;
    return rule;
  }
  if (given.id.empty() || (given.text.empty() && given.words.empty())
      || (given.answers.empty() && given.images.empty()))
    throw failure("a rule needs an id, --text (or --words) and --answer; see `troupe keywords add "
                  "--help`",
                  2);
  json rule{{"id", given.id}, {"answers", json::array()}};
  if (!given.words.empty()) {
    rule["kind"] = "all_words";
    rule["words"] = given.words;
  } else {
    rule["text"] = given.text;
    if (!given.kind.empty())
      rule["kind"] = given.kind;
  }
  for (const auto& text : given.answers)
    rule["answers"].push_back({{"text", text}, {"prompt", given.prompt}});
  if (!given.images.empty()) {
    if (given.answers.empty())
      rule["answers"].push_back(json::object());
    for (auto& answer : rule["answers"])
      answer["images"] = given.images;
  }
  if (given.priority != 0)
    rule["priority"] = given.priority;
  if (given.whole_words)
    rule["whole_words"] = true;
  if (auto scope = scope_of(given); !scope.empty())
    rule["scope"] = std::move(scope);
  if (given.cooldown_s > 0)
    rule["cooldown_ms"] = given.cooldown_s * 1'000;
  if (!given.cooldown_per.empty())
    rule["cooldown_per"] = given.cooldown_per;
  return rule;
}

void test(const options& common, const std::string& set, const look_options& given) {
  ruleset_client client{common, form()};
  json body{{"text", given.text == "-" ? read_input("-") : given.text},
            {"channel", given.channel},
            {"account", given.account},
            {"chat_id", given.chat},
            {"user_id", given.user},
            {"group", given.group},
            {"limit", given.limit}};
  if (!set.empty())
    body["set"] = set;
  auto answer = client.http().post("/api/v1/keywords/test", body);
  if (common.json)
    return print_json(answer);
  const auto& matches = answer.at("matches");
  if (matches.empty()) {
    fmt::print("No rule answers: it would go to the model.\n");
    return;
  }
  text_table table{{"", "RULE", "FOUND", "ANSWER"}};
  bool used = false;
  for (const auto& match : matches) {
    bool rests = match.value("rests", false);
    bool wins = !rests && !std::exchange(used, used || !rests);
    auto begin = static_cast<std::size_t>(match.value("begin", 0));
    auto end = static_cast<std::size_t>(match.value("end", 0));
    const auto& text = body["text"].get_ref<const std::string&>();
    auto said = text_of(match, "answer");
    for (const auto& image : match.value("images", json::array()))
      said += (said.empty() ? "" : " ") + image.get<std::string>();
    table.add({wins    ? "*"
               : rests ? "rests"
                       : "",
               fmt::format("{}/{}", text_of(match, "set"),
                           text_of(match.value("rule", json::object()), "id")),
               begin <= end && end <= text.size() ? printable(text.substr(begin, end - begin)) : "",
               (match.value("prompt", false) ? "(prompt) " : "") + printable(said)});
  }
  fmt::print("{}", table.render(styles::of_stdout(), is_terminal(1) ? terminal_columns() : 0));
}

http_client::query times_of(const look_options& given) {
  auto now_us = std::chrono::duration_cast<std::chrono::microseconds>(
                    std::chrono::system_clock::now().time_since_epoch())
                    .count();
  auto unit_us = (given.unit == "day" ? 24 : 1) * std::int64_t{3'600'000'000};
  http_client::query query{{"unit", given.unit},
                           {"from_us", std::to_string(now_us - given.last * unit_us)},
                           {"limit", std::to_string(given.limit)}};
  if (!given.channel.empty())
    query.emplace_back("channel", given.channel);
  return query;
}

std::string count_text(const json& x) {
  auto least = x.value("at_least", std::int64_t{0});
  auto most = x.value("at_most", std::int64_t{0});
  return least == most ? std::to_string(least) : fmt::format("{} to {}", least, most);
}

void top(const options& common, const look_options& given) {
  ruleset_client client{common, form()};
  auto query = times_of(given);
  if (!given.keyword.empty())
    query.emplace_back("keyword", given.keyword);
  auto answer = client.http().get("/api/v1/keywords/statistics", query);
  if (common.json)
    return print_json(answer);
  if (!given.keyword.empty()) {
    text_table table{{"FROM", "TIMES", "OF ALL"}, {false, true, true}};
    for (const auto& point : answer.at("series"))
      table.add({short_time(point.value("start_us", std::int64_t{0})), count_text(point),
                 std::to_string(point.value("total", std::int64_t{0}))});
    fmt::print("{}", table.render(styles::of_stdout()));
    return;
  }
  if (answer.at("top").empty()) {
    fmt::print("No rule answered in the last {} {}s.\n", given.last, given.unit);
    return;
  }
  text_table table{{"RULE", "TIMES"}, {false, true}};
  for (const auto& one : answer.at("top"))
    table.add({printable(text_of(one, "keyword")), count_text(one)});
  fmt::print("{}", table.render(styles::of_stdout()));
}

void trends(const options& common, const look_options& given) {
  ruleset_client client{common, form()};
  auto query = times_of(given);
  query.emplace_back("trends", "true");
  auto answer = client.http().get("/api/v1/keywords/statistics", query);
  if (common.json)
    return print_json(answer);
  if (answer.at("trends").empty()) {
    fmt::print("Nothing rose in the last {} hours.\n", given.last);
    return;
  }
  text_table table{{"RULE", "NOW", "EXPECTED", "RISE"}, {false, true, true, true}};
  for (const auto& one : answer.at("trends"))
    table.add({printable(text_of(one, "keyword")),
               std::to_string(one.value("now", std::int64_t{0})),
               fmt::format("{:.1f}", one.value("expected", 0.0)),
               fmt::format("{:.1f}x", one.value("rise", 0.0))});
  fmt::print("{}", table.render(styles::of_stdout()));
}

using rule_options_ptr = std::shared_ptr<rule_options>;
using look_options_ptr = std::shared_ptr<look_options>;
using flags_ptr = std::shared_ptr<ruleset_flags>;

void add_scope(CLI::App& add, rule_options& given) {
  auto list = [&](const char* name, std::vector<std::string>& to, const char* help) {
    add.add_option(name, to, help)->delimiter(',')->take_all()->allow_extra_args(false);
  };
  list("--channel", given.channels, "Only in these channels: onebot...");
  list("--account", given.accounts, "Only for these bot accounts");
  list("--group", given.groups, "Only in these groups");
  list("--user", given.users, "Only for these users");
  add.add_option("--chats", given.chats, "Default: any")
      ->check(CLI::IsMember({"any", "private", "group"}));
  list("--hours", given.hours, "Only at these hours: 09:00-18:30");
  add.add_option("--zone", given.zone, "Whose clock that is: Asia/Shanghai (default: UTC)");
}

void add_editing(CLI::App& keywords, options& common, const flags_ptr& flags,
                 const rule_options_ptr& given) {
  auto* add = keywords.add_subcommand("add", "Add a rule, or replace the one with its id");
  add->add_option("id", given->id, "Its name: letters, digits and ._-:");
  add_set_option(*add, form(), *flags);
  add->add_option("--rule", given->rule, "The whole rule as JSON (docs/keywords.md)");
  add->add_option("--kind", given->kind, "How --text is looked for (default: contains)")
      ->check(CLI::IsMember({"exact", "prefix", "contains", "pattern"}));
  add->add_option("--text", given->text, "What a message must have, or the pattern it must match");
  add->add_option("--words", given->words, "Instead: all of these words, in any order")
      ->delimiter(',');
  add->add_option("--answer", given->answers, "What is said; of several one is drawn")
      ->take_all()
      ->allow_extra_args(false);
  add->add_option("--image", given->images, "https URLs of pictures that go with it")
      ->take_all()
      ->allow_extra_args(false);
  add->add_flag("--prompt", given->prompt, "The answer goes to the model, which answers");
  add->add_option("--priority", given->priority, "The highest of the rules that match is used");
  add->add_flag("--whole-words", given->whole_words, "Not within a longer word");
  add_scope(*add, *given);
  add->add_option("--cooldown", given->cooldown_s, "Seconds it rests after it was used")
      ->check(CLI::Range(0, 30 * 86'400));
  add->add_option("--cooldown-per", given->cooldown_per, "Who shares them (default: chat)")
      ->check(CLI::IsMember({"rule", "chat", "user"}));
  add->add_option("--comment", flags->comment, "Why; kept with the version");
  add->footer("Examples:\n"
              "  troupe keywords add hours --text \"opening hours\" --answer \"9 to 6, {user}.\"\n"
              "  troupe keywords add weather --kind pattern --text \"weather in {city}\" \\\n"
              "    --answer \"Tell the weather in {city} in one sentence\" --prompt");
  add->callback([&common, flags, given] {
    ruleset_client{common, form()}.add(*flags, json::array({rule_of(*given)}));
  });

  auto* remove = keywords.add_subcommand("remove", "Remove rules");
  remove->add_option("ids", given->ids, "Their ids")->required();
  add_set_option(*remove, form(), *flags);
  remove->add_option("--comment", flags->comment, "Why; kept with the version");
  remove->callback([&common, flags, given] {
    auto items = json::array();
    for (const auto& id : given->ids)
      items.push_back({{"id", id}});
    ruleset_client{common, form()}.remove(*flags, items);
  });
}

void add_looking(CLI::App& keywords, options& common, const flags_ptr& flags,
                 const look_options_ptr& given) {
  auto* testing = keywords.add_subcommand("test", "Show which rules a message sets off");
  testing->add_option("text", given->text, "The message; - is standard input")->required();
  testing->add_option("--channel", given->channel, "As if it came from there: onebot...");
  testing->add_option("--account", given->account, "To this bot account");
  testing->add_option("--chat", given->chat, "From this chat");
  testing->add_option("--user", given->user, "By this user");
  testing->add_flag("--in-group", given->group, "The chat is a group");
  auto* set = testing->add_option("--set", flags->set,
                                  "Try this set alone, in use or not (default: all in use)");
  testing->callback(
      [&common, flags, given, set] { test(common, set->count() == 0 ? "" : flags->set, *given); });

  auto* ranking = keywords.add_subcommand("top", "Show how often rules answered, at all nodes");
  ranking->add_option("keyword", given->keyword,
                      "One rule over time: set/id (default: the most "
                      "frequent ones)");
  ranking->add_option("--unit", given->unit, "Default: hour")
      ->check(CLI::IsMember({"hour", "day"}));
  ranking->add_option("--last", given->last, "So many hours or days (default: 24)")
      ->check(CLI::Range(1, 1'000));
  ranking->add_option("--channel", given->channel, "Only of this channel");
  ranking->add_option("--limit", given->limit, "How many (default: 20)")
      ->check(CLI::Range(1, 1'000));
  ranking->callback([&common, given] { top(common, *given); });

  auto* rising = keywords.add_subcommand("trends", "Show rules that answer more often than before");
  auto* hours = rising->add_option("--last", given->last, "In so many hours (default: 3)")
                    ->check(CLI::Range(1, 24));
  rising->add_option("--limit", given->limit, "How many (default: 20)")
      ->check(CLI::Range(1, 1'000));
  rising->callback([&common, given, hours] {
    if (hours->count() == 0)
      given->last = 3;
    trends(common, *given);
  });

  auto* status = keywords.add_subcommand("status", "Show what the node works by");
  status->callback([&common] {
    ruleset_client client{common, form()};
    auto answer = client.http().get("/api/v1/keywords/status");
    if (common.json)
      print_json(answer);
    else
      print_text_status(answer, form());
  });
}

} // namespace

void add_keywords_command(CLI::App& app, options& common) {
  auto* keywords = app.add_subcommand("keywords", "Answers by keyword: edit, import, test, count");
  keywords->require_subcommand(1);
  keywords->footer("Works with the node that runs here or at --url, by an admin's key.\n\n"
                   "Examples:\n"
                   "  troupe keywords add hours --text \"opening hours\" --answer \"9 to 6.\"\n"
                   "  troupe keywords test \"what are your opening hours?\" --channel onebot\n"
                   "  troupe keywords import rules.csv --dry-run\n"
                   "  troupe keywords top --unit day --last 7");
  auto flags = std::make_shared<ruleset_flags>();
  add_editing(*keywords, common, flags, std::make_shared<rule_options>());
  add_ruleset_commands(*keywords, common, form(), flags);
  add_looking(*keywords, common, flags, std::make_shared<look_options>());
}

} // namespace troupe::cli
