// Sets of keyword rules as rulesets: what goes in and out, what is told about them, and what a node
// works by.
#include "actors/keywords/keyword_kind.hpp"
#include "actors/keywords/rule_linter.hpp"

#include <doctest/doctest.h>

#include <algorithm>
#include <memory>
#include <string>
#include <vector>

using namespace troupe;
using namespace troupe::keywords;

namespace {

std::shared_ptr<live_rules> nowhere() { return std::make_shared<live_rules>(); }

rulesets::loaded_ruleset set_of_rules(const std::string& name, std::vector<std::string> bodies) {
  rulesets::loaded_ruleset set;
  set.ruleset.set_name(name);
  set.ruleset.set_enabled(true);
  set.bodies = std::move(bodies);
  return set;
}

std::string winner(const live_rules& live, std::string_view text) {
  matcher::scratch memory;
  message_facts message;
  message.text = text;
  auto best = live.current()->best(message, memory);
  return best.found ? best.found->what->id : "";
}

std::vector<std::string> kinds_of(const std::vector<v1::RulesetProblem>& problems,
                                  const std::string& item) {
  std::vector<std::string> kinds;
  for (const auto& one : problems)
    if (one.item() == item)
      kinds.push_back(one.kind());
  return kinds;
}

using names = std::vector<std::string>;

} // namespace

TEST_CASE("a rule is kept in one form, whatever was written") {
  keyword_kind kind{nowhere()};
  auto short_form = kind.check(R"({"answers":["hi"], "text":"hello", "id":"greet"})");
  auto long_form = kind.check(R"({"id":"greet","kind":"contains","text":"hello","priority":0,
      "enabled":true,"scope":{},"answers":[{"text":"hi","weight":1}],"cooldown_ms":0})");
  CHECK(short_form.fault == "");
  CHECK(short_form.key == "greet");
  CHECK(short_form.body == R"({"id":"greet","kind":"contains","text":"hello","answers":["hi"]})");
  CHECK(long_form.body == short_form.body);
  CHECK(kind.check(short_form.body).body == short_form.body);
}

TEST_CASE("what is no rule is refused with its field") {
  keyword_kind kind{nowhere()};
  auto fault = [&](std::string_view json) {
    auto made = kind.check(json);
    CHECK(made.key == "");
    CHECK(made.body == "");
    return made.fault;
  };
  CHECK(fault(R"({"id":"a","text":"b"})") == "answers must be 1 to 32 answers");
  CHECK(fault(R"({"id":"a b","text":"b","answers":["c"]})")
        == "id must be 1 to 64 letters, digits and ._-:");
  CHECK(fault(R"({"id":"a","txt":"b","answers":["c"]})")
        == "txt must be left out: there is no such field");
  CHECK(fault("").find("JSON") != std::string::npos);
  CHECK(fault("[1]").find("object") != std::string::npos);
  // Two in the place of one do not slip through.
  CHECK(fault(R"({"id":"a","text":"b","answers":["c"]},{"id":"d","text":"e","answers":["f"]})")
        == "it must be one JSON object");
  CHECK(fault(R"({"id":"a","text":"b","answers":["c"]}],"rules":[)") != "");
}

TEST_CASE("a rule to remove is named by its id alone") {
  keyword_kind kind{nowhere()};
  CHECK(kind.identify(R"({"id":"greet"})").key == "greet");
  CHECK(kind.identify(R"({"id":"greet","text":"whatever"})").key == "greet");
  for (auto wrong : {"{}", "[]", "{", R"({"id":7})", R"({"id":""})"})
    CHECK(kind.identify(wrong).fault == "name the rule by its id, as {\"id\": \"greeting\"}");
}

TEST_CASE("files are read in their format and encoding, which are found out") {
  keyword_kind kind{nowhere()};
  auto json = kind.import_file(R"({"rules":[{"id":"a","text":"x","answers":["y"]}]})", "", "", "");
  CHECK(json.fault == "");
  REQUIRE(json.items.size() == 1);
  CHECK(json.items[0].key == "a");
  CHECK(kind.import_file(R"([{"id":"a","text":"x","answers":["y"]}])", "", "", "").items.size()
        == 1);
  // "id,text,answer" and a line of Chinese, in GBK.
  std::string gbk = "id,text,answer\nweather,\xcc\xec\xc6\xf8,\xbd\xf1\xcc\xec\xc7\xe7\n";
  auto csv = kind.import_file(gbk, "csv", "gbk", "");
  CHECK(csv.fault == "");
  CHECK(csv.encoding == "gbk");
  REQUIRE(csv.items.size() == 1);
  CHECK(csv.items[0].body
        == R"({"id":"weather","kind":"contains","text":"天气","answers":["今天晴"]})");
  CHECK(kind.import_file(gbk, "csv", "utf-8", "").fault.find("utf-8") != std::string::npos);
  CHECK(kind.import_file("x", "yaml", "", "").fault == "format must be json or csv");
  CHECK(kind.import_file("id\n", "", "", R"({"priority":3})").fault
        == "rules have no defaults: say it in each of them");
}

TEST_CASE("the good rules of a file come with the problems of the others") {
  keyword_kind kind{nowhere()};
  auto read = kind.import_file("id,text,answer\na,x,y\nb,,y\nc,z,y\na,again,y\n", "", "", "");
  CHECK(read.fault == "");
  REQUIRE(read.items.size() == 2);
  CHECK(read.items[0].key == "a");
  CHECK(read.items[1].key == "c");
  CHECK(read.problems_total == 2);
  REQUIRE(read.problems.size() == 2);
  CHECK(read.problems[0].line() == 3);
  CHECK(read.problems[0].item() == "b");
  CHECK(read.problems[1].text() == "id is that of the rule in line 2");
  // What is broken is not read in part.
  auto broken = kind.import_file(
      "{\"rules\":[\n{\"id\":\"a\",\"text\":\"x\",\"answers\":[\"y\"]},\n", "", "", "");
  CHECK(broken.items.empty());
  CHECK(broken.fault.find("line ") == 0);
}

TEST_CASE("what is exported comes back as it was") {
  keyword_kind kind{nowhere()};
  names bodies;
  for (auto json : {R"({"id":"a","text":"x","answers":["y",{"images":["media:m"]}],"priority":3})",
                    R"({"id":"b","kind":"all_words","words":["p","q"],"answers":["r"]})"})
    bodies.push_back(kind.check(json).body);
  auto set = set_of_rules("s", bodies);
  for (auto format : {"json", "csv", ""}) {
    auto file = kind.export_items(set, format);
    CHECK(file.fault == "");
    auto back = kind.import_file(file.content, "", "", "");
    REQUIRE(back.items.size() == 2);
    CHECK(back.items[0].body == bodies[0]);
    CHECK(back.items[1].body == bodies[1]);
  }
  CHECK(kind.export_items(set, "csv").media_type == "text/csv; charset=utf-8");
  CHECK(kind.export_items(set, "text").fault == "keyword sets are exported as json or csv");
  auto divided = kind.check(R"({"id":"b","kind":"all_words","words":["p|q"],"answers":["r"]})");
  CHECK(kind.export_items(set_of_rules("s", {divided.body}), "csv").fault.find("use JSON")
        != std::string::npos);
}

TEST_CASE("all enabled sets work together, whatever their rules are called") {
  auto live = nowhere();
  keyword_kind kind{live};
  auto made = kind.put_to_work(
      {set_of_rules("shop", {R"({"id":"a","text":"price","answers":["shop"]})"}),
       set_of_rules("help", {R"({"id":"a","text":"price","priority":1,"answers":["help"]})",
                             R"({"id":"b","text":"where","answers":["there"]})",
                             R"({"id":"c","text":"off","enabled":false,"answers":["no"]})"})});
  CHECK(made.problems.empty());
  CHECK(made.items == 3);
  CHECK(made.memory_bytes > 0);
  CHECK(winner(*live, "the price?") == "help:a");
  CHECK(winner(*live, "where?") == "help:b");
  CHECK(winner(*live, "off") == "");
  CHECK(shown_id("help:a:b") == "help/a:b");
  kind.put_to_work({});
  CHECK(live->current()->size() == 0);
}

TEST_CASE("what cannot be used is left out and told; the rest works") {
  auto live = nowhere();
  keyword_kind kind{live};
  auto made = kind.put_to_work({set_of_rules(
      "s", {R"({"id":"a","text":"x","answers":["y"]})", R"({"id":"b","newer":true})", "rubbish"})});
  CHECK(made.items == 1);
  CHECK(made.problems.size() == 2);
  CHECK(winner(*live, "x") == "s:a");
  // More patterns without an ordinary character than are allowed: that set stays out.
  names open;
  for (int i = 0; i < 300; ++i)
    open.push_back(R"({"id":"p)" + std::to_string(i)
                   + R"(","kind":"pattern","text":"{a}","answers":["y"]})");
  made = kind.put_to_work(
      {set_of_rules("s", {R"({"id":"a","text":"x","answers":["y"]})"}), set_of_rules("t", open)});
  CHECK(made.items == 1);
  REQUIRE(made.problems.size() == 1);
  CHECK(made.problems[0].item() == "t");
  CHECK(winner(*live, "x") == "s:a");
}

TEST_CASE("rules that can never win are told, with the rule that wins instead") {
  keyword_kind kind{nowhere()};
  auto told = [&](names bodies, const std::string& item) {
    auto found = kinds_of(kind.lint(set_of_rules("s", std::move(bodies)), ""), item);
    return std::find(found.begin(), found.end(), "never_wins") != found.end();
  };
  std::string whole = R"({"id":"b","text":"weather","answers":["1"]})";
  std::string above = R"({"id":"a","text":"weather","priority":5,"answers":["2"])";
  CHECK(told({above + "}", whole}, "b"));
  CHECK_FALSE(told({above + "}", whole}, "a"));
  // It rests at times, or elsewhere: then the other one answers.
  CHECK_FALSE(told({above + R"(,"cooldown_ms":1000})", whole}, "b"));
  CHECK_FALSE(told({above + R"(,"scope":{"channels":["onebot"]}})", whole}, "b"));
  CHECK_FALSE(told({above + R"(,"scope":{"hours":["09:00-10:00"]}})", whole}, "b"));
  CHECK_FALSE(told({above + R"(,"whole_words":true})", whole}, "b"));
  CHECK(told({above + R"(,"scope":{"channels":["onebot","wecom"]}})",
              R"({"id":"b","text":"weather","answers":["1"],"scope":{"channels":["onebot"]}})"},
             "b"));
  // A shorter text that is contained in it wins everywhere; one that only begins with it does not.
  CHECK(told({R"({"id":"a","text":"weath","priority":5,"answers":["2"]})", whole}, "b"));
  CHECK_FALSE(told(
      {R"({"id":"a","kind":"prefix","text":"weath","priority":5,"answers":["2"]})", whole}, "b"));
  // An exact rule of the same priority comes first by itself.
  CHECK_FALSE(told({R"({"id":"a","text":"weather","answers":["2"]})",
                    R"({"id":"b","kind":"exact","text":"Weather","answers":["1"]})"},
                   "b"));
}

TEST_CASE("rules that answer too much, or nothing, are told") {
  keyword_kind kind{nowhere()};
  auto kinds = [&](const std::string& body, std::string_view ordinary = {}) {
    return kinds_of(kind.lint(set_of_rules("s", {body}), ordinary), "a");
  };
  CHECK(kinds(R"({"id":"a","text":"weather","answers":["1"]})").empty());
  CHECK(kinds(R"({"id":"a","text":"hi","answers":["1"]})") == names{"too_short"});
  CHECK(kinds(R"({"id":"a","text":"的","answers":["1"]})") == names{"too_short"});
  CHECK(kinds(R"({"id":"a","text":"天气","answers":["1"]})").empty());
  CHECK(kinds(R"({"id":"a","text":"hi","whole_words":true,"answers":["1"]})").empty());
  CHECK(kinds(R"({"id":"a","kind":"exact","text":"hi","answers":["1"]})").empty());
  CHECK(kinds(R"({"id":"a","kind":"pattern","text":"{rest}","answers":["1"]})")
        == names{"answers_all"});
  CHECK(kinds(R"({"id":"a","text":"weather","answers":["1",{"text":"2","weight":0}]})")
        == names{"never_said"});
  CHECK(kinds(R"({"id":"a","text":"weather","answers":[" \n"]})") == names{"says_nothing"});
  CHECK(kinds(R"({"id":"a","text":"weather","answers":["1"],"cooldown_ms":691200000})")
        == names{"long_cooldown"});
  std::string lines;
  for (int i = 0; i < 50; ++i)
    lines += i % 10 == 0 ? "we have no time\n" : "nothing of it\n";
  CHECK(kinds(R"({"id":"a","text":"time","answers":["1"]})", lines) == names{"everyday"});
  CHECK(kinds(R"({"id":"a","text":"weather","answers":["1"]})", lines).empty());
}
