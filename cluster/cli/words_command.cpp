// `troupe words`: lexicons of sensitive words.
#include "cluster/cli/files.hpp"
#include "cluster/cli/ruleset_command.hpp"
#include "cluster/cli/terminal.hpp"

#include <CLI/CLI.hpp>
#include <fmt/format.h>

namespace troupe::cli {

namespace {

using nlohmann::json;

struct word_options {
  std::vector<std::string> texts;
  std::string kind;
  std::string category;
  int level = -1;
  std::string action;
  std::string replacement;
  std::string tenant;
  std::string channel;
  bool pinyin = false;
  std::string text;
  std::int64_t limit = 50;
};

const ruleset_form& form() {
  static const ruleset_form words{
      "words",
      "/api/v1/lexicons",
      "lexicon",
      "lexicons",
      "word",
      "text, csv or json",
      "words.txt",
      {"TEXT", "KIND", "CATEGORY", "LEVEL", "ACTION", "CHANNEL", "REPLACEMENT"},
      [](const json& item) {
        auto said = [&](const char* name, const char* usual) {
          auto value = text_of(item, name);
          return value.empty() ? std::string{usual} : printable(value);
        };
        auto level = item.contains("level") && item["level"].is_number_integer()
                         ? item["level"].get<int>()
                         : 1;
        return std::vector<std::string>{said("text", ""),       said("kind", "word"),
                                        said("category", ""),   std::to_string(level),
                                        said("action", "mask"), said("channel", "all"),
                                        said("replacement", "")};
      }};
  return words;
}

/// What tells entries apart: one word may be in a lexicon once for each kind, tenant and channel.
json identity(const word_options& given, const std::string& text) {
  json item{{"text", text}};
  for (const auto& [name, value] :
       {std::pair{"kind", &given.kind}, {"tenant", &given.tenant}, {"channel", &given.channel}})
    if (!value->empty())
      item[name] = *value;
  return item;
}

json entries(const word_options& given) {
  auto items = json::array();
  for (const auto& text : given.texts) {
    auto item = identity(given, text);
    if (!given.category.empty())
      item["category"] = given.category;
    if (given.level >= 0)
      item["level"] = given.level;
    if (!given.action.empty())
      item["action"] = given.action;
    if (!given.replacement.empty())
      item["replacement"] = given.replacement;
    if (given.pinyin)
      item["pinyin"] = true;
    items.push_back(std::move(item));
  }
  return items;
}

void print_hit(text_table& table, const json& hit) {
  std::string folds;
  for (const auto& fold : hit.value("folds", json::array()))
    folds += (folds.empty() ? "" : ", ") + fold.get<std::string>();
  table.add({fmt::format("{}-{}", hit.value("begin", 0), hit.value("end", 0)),
             printable(text_of(hit, "text")), printable(text_of(hit, "entry")),
             printable(text_of(hit, "category")), std::to_string(hit.value("level", 0)),
             text_of(hit, "action"), folds, text_of(hit, "lexicon")});
}

void test(const options& common, const ruleset_flags& flags, const word_options& given) {
  ruleset_client client{common, form()};
  json body{{"text", given.text == "-" ? read_input("-") : given.text}};
  if (!given.channel.empty())
    body["channel"] = given.channel;
  if (!flags.set.empty())
    body["lexicon"] = flags.set;
  auto answer = client.http().post("/api/v1/moderation/test", body);
  if (common.json)
    return print_json(answer);
  for (const auto& result : answer.value("results", json::array())) {
    auto hits = result.value("hits", json::array());
    if (hits.empty()) {
      fmt::print("Nothing is found in it.\n");
      continue;
    }
    text_table table{
        {"BYTES", "TEXT", "FOUND BY", "CATEGORY", "LEVEL", "ACTION", "SEEN THROUGH", "LEXICON"}};
    for (const auto& hit : hits)
      print_hit(table, hit);
    fmt::print("{}", table.render(styles::of_stdout(), is_terminal(1) ? terminal_columns() : 0));
    if (text_of(result, "action") == "block")
      fmt::print("It would be blocked.\n");
    else
      fmt::print("It would go on as: {}\n", printable(text_of(result, "rendered")));
  }
}

void hits(const options& common, const word_options& given) {
  ruleset_client client{common, form()};
  http_client::query query{{"limit", std::to_string(given.limit)}};
  if (!given.category.empty())
    query.emplace_back("category", given.category);
  if (!given.action.empty())
    query.emplace_back("action", given.action);
  auto page = client.http().get("/api/v1/moderation/hits", query);
  if (common.json)
    return print_json(page);
  text_table table{{"AT", "DIRECTION", "ACTION", "CATEGORY", "TEXT", "FOUND BY", "CONVERSATION"}};
  for (const auto& hit : page.value("hits", json::array()))
    table.add({short_time(hit.value("at_us", std::int64_t{0})), text_of(hit, "direction"),
               text_of(hit, "action"), printable(text_of(hit, "category")),
               printable(text_of(hit, "text")), printable(text_of(hit, "entry")),
               text_of(hit, "conversation_id")});
  fmt::print("{}", table.render(styles::of_stdout(), is_terminal(1) ? terminal_columns() : 0));
}

using word_options_ptr = std::shared_ptr<word_options>;
using flags_ptr = std::shared_ptr<ruleset_flags>;

void add_identity(CLI::App& command, word_options& given) {
  command.add_option("words", given.texts, "The words")->required();
  command.add_option("--kind", given.kind, "Default: word; allowed: nothing is found within it")
      ->check(CLI::IsMember({"word", "pattern", "allowed"}));
  command.add_option("--tenant", given.tenant, "Only for this tenant");
  command.add_option("--channel", given.channel, "Only in this channel");
}

void add_editing(CLI::App& words, options& common, const flags_ptr& flags,
                 const word_options_ptr& given) {
  auto* add = words.add_subcommand("add", "Add words, or change those that are there");
  add_identity(*add, *given);
  add_set_option(*add, form(), *flags);
  add->add_option("--category", given->category, "A name of yours: it is in the audit");
  add->add_option("--level", given->level, "How grave (default: 1)")->check(CLI::Range(0, 9));
  add->add_option("--action", given->action, "Default: mask")
      ->check(CLI::IsMember({"log", "review", "mask", "replace", "block"}));
  add->add_option("--replacement", given->replacement, "What stands in its place, of `replace`");
  add->add_flag("--pinyin", given->pinyin, "Also found by its sound");
  add->add_option("--comment", flags->comment, "Why; kept with the version");
  add->footer("Example: troupe words add 赌博 casino --category gambling --action block");
  add->callback([&common, flags, given] {
    ruleset_client{common, form()}.add(*flags, entries(*given));
  });

  auto* remove = words.add_subcommand("remove", "Remove words");
  add_identity(*remove, *given);
  add_set_option(*remove, form(), *flags);
  remove->add_option("--comment", flags->comment, "Why; kept with the version");
  remove->callback([&common, flags, given] {
    auto items = json::array();
    for (const auto& text : given->texts)
      items.push_back(identity(*given, text));
    ruleset_client{common, form()}.remove(*flags, items);
  });
}

void add_looking(CLI::App& words, options& common, const flags_ptr& flags,
                 const word_options_ptr& given) {
  auto* testing = words.add_subcommand("test", "Show what would be found in a text");
  testing->add_option("text", given->text, "The text; - is standard input")->required();
  testing->add_option("--channel", given->channel, "As if it came from there");
  auto* set = testing->add_option("--set", flags->set,
                                  "Try this lexicon alone, in use or not (default: all in use)");
  testing->callback([&common, flags, given, set] {
    if (set->count() == 0)
      flags->set.clear();
    test(common, *flags, *given);
  });

  auto* listing = words.add_subcommand("hits", "List what was found, newest first");
  listing->add_option("--category", given->category, "Only of this category");
  listing->add_option("--action", given->action, "Only of this action")
      ->check(CLI::IsMember({"log", "review", "mask", "replace", "block"}));
  listing->add_option("--limit", given->limit, "How many (default: 50)")->check(CLI::Range(1, 200));
  listing->callback([&common, given] { hits(common, *given); });

  auto* status = words.add_subcommand("status", "Show what the node works by");
  status->callback([&common] {
    ruleset_client client{common, form()};
    auto answer = client.http().get("/api/v1/moderation/status");
    if (common.json)
      print_json(answer);
    else
      print_text_status(answer, form());
  });
}

} // namespace

void add_words_command(CLI::App& app, options& common) {
  auto* words = app.add_subcommand("words", "Sensitive words: edit, import, test, audit");
  words->require_subcommand(1);
  words->footer("Works with the node that runs here or at --url, by an admin's key.\n\n"
                "Examples:\n"
                "  troupe words add 赌博 casino --category gambling --action block\n"
                "  troupe words import words.txt --set house --encoding gbk\n"
                "  troupe words test \"a c a s i n o\"\n"
                "  troupe words versions && troupe words restore 3");
  auto flags = std::make_shared<ruleset_flags>();
  auto given = std::make_shared<word_options>();
  add_editing(*words, common, flags, given);
  add_ruleset_commands(*words, common, form(), flags);
  add_looking(*words, common, flags, given);
}

} // namespace troupe::cli
