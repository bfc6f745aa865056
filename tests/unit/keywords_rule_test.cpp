// Rules: what is refused and how it is said, their answers, and their way through files.
#include "actors/keywords/rule_files.hpp"
#include "actors/keywords/template.hpp"

#include <doctest/doctest.h>

#include <array>
#include <functional>
#include <string>
#include <vector>

using namespace troupe::keywords;

namespace {

rule good() {
  rule r;
  r.id = "greeting";
  r.text = "hello";
  r.answers = {{"Hello, {user}!", {}}};
  return r;
}

std::string problem_with(const std::function<void(rule&)>& change) {
  auto r = good();
  change(r);
  return rule_checker{}.check(r);
}

std::vector<rule> many_kinds() {
  auto a = good();
  a.kind = rule_kind::exact;
  auto b = good();
  b.id = "b";
  b.kind = rule_kind::pattern;
  b.text = "天气 {city}, \"{n:[0-9]}\" *";
  b.priority = -7;
  b.answers = {{"{city} {n} {3}\nnext line", {"https://example.com/a.png", "media:b"}, false, 3},
               {"Say: {1}", {}, true, 0}};
  auto c = good();
  c.id = "c";
  c.kind = rule_kind::all_words;
  c.text = "";
  c.words = {"price", "多少钱"};
  c.whole_words = true;
  c.enabled = false;
  c.scope.channels = {"onebot", "wecom"};
  c.scope.accounts = {"bot"};
  c.scope.groups = {"g,1"};
  c.scope.users = {"u"};
  c.scope.chats = chat_kind::group;
  c.scope.hours = {{9 * 60, 18 * 60 + 30}, {22 * 60, 1440}};
  c.scope.zone = "+08:00";
  c.cooldown_ms = 5'000;
  c.cooldown = cooldown_per::user;
  return {a, b, c};
}

std::string first_problem(const imported_rules& imported) {
  CHECK(imported.rules.empty());
  if (imported.problems.empty())
    return "none";
  const auto& p = imported.problems.front();
  return std::to_string(p.line) + " " + p.id + ": " + p.what;
}

} // namespace

TEST_CASE("a good rule has no problem, and each bad field is named") {
  CHECK(problem_with([](rule&) {}).empty());
  CHECK(problem_with([](rule& r) { r.id = ""; }).starts_with("id must be 1 to 64 letters"));
  CHECK(problem_with([](rule& r) { r.id = "a b"; }).starts_with("id must be"));
  CHECK(problem_with([](rule& r) { r.text = " \n"; }).starts_with("text must be 1 to 256"));
  CHECK(problem_with([](rule& r) { r.text = std::string(257, 'a'); }).starts_with("text must be"));
  CHECK(problem_with([](rule& r) { r.text = "\xff"; }).starts_with("text must be UTF-8"));
  CHECK(problem_with([](rule& r) { r.text = std::string("a\0b", 3); }).starts_with("text must be"));
  CHECK(problem_with([](rule& r) { r.words = {"x"}; }).starts_with("words must be empty"));
  CHECK(problem_with([](rule& r) {
          r.kind = rule_kind::all_words;
        }).starts_with("text must be empty"));
  CHECK(problem_with([](rule& r) { r.priority = 1'000'001; }).starts_with("priority must be"));
  CHECK(problem_with([](rule& r) { r.cooldown_ms = -1; }).starts_with("cooldown_ms must be"));
  CHECK(problem_with([](rule& r) { r.answers.clear(); }) == "answers must be 1 to 32 answers");
  CHECK(problem_with([](rule& r) {
          r.answers = {{"", {}}};
        })
        == "answers[0] needs a text or an image");
  CHECK(problem_with([](rule& r) {
          r.answers = {{"", {}, true}};
        })
        == "answers[0] needs a text: it is the prompt");
  CHECK(problem_with([](rule& r) { r.answers[0].images = {"http://x"}; })
        == "answers[0].images must be https URLs or media:NAME");
  CHECK(
      problem_with([](rule& r) { r.answers[0].text = "{1}"; })
          .starts_with("answers[0].text has a mistake: {1} is no variable of this rule, which has "
                       "{user}, {user_id}"));
  CHECK(
      problem_with([](rule& r) { r.scope.zone = "Mars/Base"; }).starts_with("scope.zone must be"));
  CHECK(problem_with([](rule& r) {
          r.scope.hours = {{5, 5}};
        })
        == "scope.hours must be like 09:00-18:30");
  CHECK(problem_with([](rule& r) { r.scope.users = {""}; }).starts_with("scope.users must have"));
  CHECK(problem_with([](rule& r) {
          r.kind = rule_kind::pattern;
          r.text = "{user}";
        })
        == "text has a capture named user, which is a variable of templates");
  CHECK(problem_with([](rule& r) {
          r.kind = rule_kind::exact;
          r.whole_words = true;
        })
        == "whole_words is only for prefix, contains and all_words");
  CHECK(problem_with([](rule& r) {
          r.kind = rule_kind::all_words;
          r.text = "";
          r.words = {"A", "Ａ"};
        })
        == "words[1] is there twice");
}

TEST_CASE("a prefix has one capture, a pattern its own") {
  auto with = [](rule_kind kind, std::string text, std::string answer) {
    return problem_with([&](rule& r) {
      r.kind = kind;
      r.text = std::move(text);
      r.answers = {{std::move(answer), {}}};
    });
  };
  CHECK(with(rule_kind::prefix, "say", "{1}").empty());
  CHECK_FALSE(with(rule_kind::prefix, "say", "{2}").empty());
  CHECK(with(rule_kind::pattern, "say {what} *", "{what} {1} {2} {0}").empty());
  CHECK_FALSE(with(rule_kind::pattern, "say {what}", "{who}").empty());
}

TEST_CASE("answers are chosen by their weight") {
  auto r = good();
  r.answers = {{"a", {}, false, 1}, {"never", {}, false, 0}, {"b", {}, false, 3}};
  std::array<int, 3> chosen{};
  for (std::uint64_t random = 0; random < 4'000; ++random)
    ++chosen[static_cast<std::size_t>(&choose_answer(r, random) - r.answers.data())];
  CHECK(chosen == std::array{1'000, 0, 3'000});
  r.answers = {{"only", {}, false, 0}};
  CHECK(choose_answer(r, 7).text == "only");
}

TEST_CASE("templates are filled in, and what is filled in is no template") {
  std::vector<std::string_view> captures{"{user}", "北京"};
  std::vector<std::string> names{"", "city"};
  template_values values;
  values.user = "{1}";
  values.time = "09:05";
  values.matched = "{{";
  values.captures = captures;
  values.capture_names = names;
  auto render = [&](std::string_view text, std::size_t max = 1'000) {
    return render_template(text, values, max);
  };
  CHECK(render("Hi {user}, {1}, {2} is {city}. {time} {0}{{}}")
        == "Hi {1}, {user}, 北京 is 北京. 09:05 {{{}");
  CHECK(render("{3}{nobody}{") == "{3}{nobody}{");
  CHECK(render("{city}{city}", 7) == "北京");
  CHECK(render("{city}", 0).empty());
  CHECK(check_template("{{1}} {city}", 2, names).empty());
  CHECK(check_template("ab {", 2, names)
        == "a { without its } at byte 4 (write {{ and }} to mean braces)");
  CHECK(check_template("}", 2, names).starts_with("a } without its { at byte 1"));
  CHECK(check_template("{}", 2, names).starts_with("{} is no variable of this rule"));
  CHECK(check_template("{user", 2, names).starts_with("a { without its }"));
}

TEST_CASE("an answer is bounded however often its variables repeat") {
  std::string long_text(5'000, 'x');
  template_values values;
  values.message = long_text;
  std::string text;
  for (int i = 0; i < 900; ++i)
    text += "{message}";
  CHECK(render_template(text, values, 8'000).size() == 8'000);
}

TEST_CASE("clocks of zones know their offsets and daylight saving") {
  constexpr std::int64_t midnight_us = 1'767'225'600'000'000; // 2026-01-01 UTC
  constexpr std::int64_t july_us = midnight_us + std::int64_t{181} * 86'400'000'000;
  auto minute = [](std::string_view zone, std::int64_t now_us) {
    return time_zone::find(zone)->minute_of_day(now_us);
  };
  CHECK(minute("UTC", midnight_us) == 0);
  CHECK(minute("UTC", -1) == 1'439);
  CHECK(minute("Asia/Shanghai", midnight_us) == 8 * 60);
  CHECK(minute("+05:45", midnight_us) == 5 * 60 + 45);
  CHECK(minute("-03:30", midnight_us) == 20 * 60 + 30);
  CHECK(minute("Europe/Berlin", midnight_us) == 60);
  CHECK(minute("Europe/Berlin", july_us) == 120);
  CHECK(time_zone::find("-03:30")->date_text(midnight_us) == "2025-12-31");
  CHECK(time_zone::find("+08:00")->time_text(midnight_us) == "08:00");
  for (auto bad :
       {"", "Mars/Base", "8", "+8", "+8:00", "+24:00", "+08:60", "GMT+8", "Etc/Unknown"}) {
    CAPTURE(bad);
    CHECK(time_zone::find(bad) == nullptr);
  }
}

TEST_CASE("hours are read strictly") {
  day_hours hours;
  CHECK(read_hours("09:00-24:00", hours));
  CHECK(hours == day_hours{540, 1'440});
  CHECK(to_string(hours) == "09:00-24:00");
  for (std::string_view bad : {"", "9:00-10:00", "09:00-09:00", "24:00-01:00", "09:60-10:00",
                               "09:00-25:00", "09:00_10:00", "09:00-10:00 "}) {
    CAPTURE(bad);
    CHECK_FALSE(read_hours(bad, hours));
  }
}

TEST_CASE("rules come back from JSON and CSV as they were written") {
  auto rules = many_kinds();
  std::string problem;
  auto json = import_json(export_json(rules));
  CHECK(json.problems.empty());
  CHECK(json.rules == rules);
  auto csv = import_csv(export_csv(rules, problem));
  CHECK(problem.empty());
  for (const auto& p : csv.problems)
    FAIL_CHECK(p.line, " ", p.id, ": ", p.what);
  CHECK(csv.rules == rules);
  CHECK(import_json(export_json(std::vector<rule>{})).problems.empty());
  rules[2].words[0] = "a|b";
  CHECK(export_csv(rules, problem).empty());
  CHECK(problem == "rule c has a | in a|b, which CSV cannot hold: use JSON");
}

TEST_CASE("what is wrong with a JSON file is said with its line") {
  auto problem = [](std::string_view text) { return first_problem(import_json(text)); };
  CHECK(problem("").starts_with("1 : the JSON is broken"));
  CHECK(problem("[]").starts_with("1 : the JSON is broken"));
  CHECK(problem("{}") == "0 : the file must be an object with an array named rules");
  CHECK(problem("{\"rules\": 7}") == "1 : rules must be an array");
  CHECK(problem("{\"rules\": [], \"x\": 1}") == "1 : x must be left out: there is no such field");
  CHECK(problem("{\"rules\": []}\n{}") == "2 : there is more after the object's end");
  CHECK(problem("{\"rules\": [\n7]}") == "2 : each of rules must be an object");
  CHECK(problem("\xff").find("not UTF-8") != std::string::npos);
  auto rule = [&](std::string_view fields) {
    return problem("{\"rules\": [\n\n{\"id\": \"a\", " + std::string{fields} + "}\n]}");
  };
  CHECK(rule("\"kind\": \"some\"")
        == "3 a: kind must be exact, prefix, contains, pattern or all_words");
  CHECK(rule("\n\"kin\": 1") == "4 a: kin must be left out: there is no such field");
  CHECK(rule("\"text\": 1") == "3 a: text must be a string");
  CHECK(rule("\"id\": \"b\"") == "3 a: id must be there once only");
  CHECK(rule("\"priority\": 1.5") == "3 a: priority must be an integer within bounds");
  CHECK(rule("\"priority\": 9999999999") == "3 a: priority must be an integer within bounds");
  CHECK(rule("\"scope\": {\"hours\": [\"9-10\"]}")
        == "3 a: each of scope.hours must be like \"09:00-18:30\"");
  CHECK(rule("\"answers\": [{\"txt\": \"\"}]")
        == "3 a: answers.txt must be left out: there is no such field");
  CHECK(rule("\"text\": \"x\"") == "3 a: answers must be 1 to 32 answers");
  CHECK(rule("\"text\": \"x\",").starts_with("3 a: the JSON is broken"));
  auto twice = import_json(R"({"rules": [{"id":"a","text":"x","answers":["y"]},
{"id":"a","text":"x","answers":["y"]},
{"id":"b","text":"x","answers":["{z}"]}]})");
  REQUIRE(twice.problems.size() == 2);
  CHECK(twice.problems[0].line == 2);
  CHECK(twice.problems[0].what == "id is that of the rule in line 1");
  CHECK(twice.problems[1].line == 3);
}

TEST_CASE("what is wrong with a CSV file is said with its line") {
  auto problem = [](std::string_view text) { return first_problem(import_csv(text)); };
  CHECK(problem("") == "0 : the file is empty: its first line must name the columns");
  CHECK(problem("id,what\n") == "1 : the column what is unknown");
  CHECK(problem("id,id\n") == "1 : the column id is there twice");
  CHECK(problem("text,answer\nx,y\n") == "1 : there must be a column id");
  CHECK(problem("id,text,answer\na,b\n") == "2 : 2 fields where the header has 3");
  CHECK(problem("id,text,answer\n\na,\"b\nc\",\nd,e,\"\n")
        == "3 a: answers[0] needs a text or an image");
  CHECK(problem("id,text,answer\na,\"b\nc\",x\nd,e,\n")
        == "4 d: answers[0] needs a text or an image");
  CHECK(problem("id,text,answer\na,b,c\nd,e,\"x\n") == "3 : a quoted field has no end");
  CHECK(problem("id,text,answer\na,b\"c,d\n").starts_with("2 : a quote within a field"));
  CHECK(problem("id,text,answer\na,\"b\"c,d\n").starts_with("2 : there must be a comma"));
  CHECK(problem("id,text,answer\na,b\rc,d\n").starts_with("2 : a carriage return"));
  CHECK(problem("id,text,answer,priority\na,b,c,high\n") == "2 a: priority must be an integer");
  CHECK(problem("id,text,answer,enabled\na,b,c,yes\n") == "2 a: enabled must be true or false");
  CHECK(problem("id,text,answer,hours\na,b,c,9-10\n").starts_with("2 a: hours must be like"));
  CHECK(problem("id,text,answer\na,b,c\na,b,d\n")
        == "3 a: text must be empty in a line that adds an answer");
  CHECK(problem("id,text,answer\n,b,c\n") == "2 : id must not be empty");
  CHECK(problem("id,text,answer\na,b,c\nd,b,c\na,b,c\n")
        == "4 a: id is that of the rule in line 2");
}

TEST_CASE("importers keep to their bounds") {
  import_options options;
  options.rules_max = 1;
  auto two = import_csv("id,text,answer\na,b,c\nd,e,f\n", options);
  REQUIRE(two.problems.size() == 1);
  CHECK(two.problems[0].what == "there are more than 1 rules");
  options = {};
  options.file_bytes_max = 10;
  CHECK(first_problem(import_json("{\"rules\": []}", options))
        == "0 : the file is longer than 10 bytes");
  options = {};
  options.problems_max = 2;
  CHECK(import_csv("id\na\nb\nc\n", options).problems.size() == 2);
  std::string deep = "{\"rules\": ";
  for (int i = 0; i < 100'000; ++i)
    deep += "[";
  CHECK(!import_json(deep).problems.empty());
}
