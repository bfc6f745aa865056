// `troupe keywords`, run as users run it, before a real node.
#include "tests/support/cluster_nodes.hpp"
#include "tests/support/role_nodes.hpp"

#include <doctest/doctest.h>
#include <nlohmann/json.hpp>

#include <sys/wait.h>

#include <array>
#include <cstdio>
#include <memory>
#include <string>

using namespace troupe;
using namespace std::chrono_literals;
using nlohmann::json;

namespace {

struct outcome {
  int status = -1;
  std::string out;

  bool has(std::string_view text) const { return out.find(text) != std::string::npos; }
};

struct commands {
  commands() {
    nodes.start("a", "gateway, session, tools");
    REQUIRE(nodes.settled());
  }

  /// Runs `troupe ARGUMENTS` by a shell; standard error comes with the output.
  outcome run(const std::string& arguments) {
    auto command = "cd '" + folder.path() + "' && TROUPE_KEY='" + nodes.at("a").token() + "' '"
                   + test::troupe_binary() + "' --url " + nodes.at("a").url() + " " + arguments
                   + " 2>&1";
    std::unique_ptr<FILE, int (*)(FILE*)> pipe{popen(command.c_str(), "r"),
                                               [](FILE*) { return 0; }};
    REQUIRE(pipe);
    outcome result;
    std::array<char, 4096> buffer;
    for (std::size_t got; (got = fread(buffer.data(), 1, buffer.size(), pipe.get())) > 0;)
      result.out.append(buffer.data(), got);
    result.status = WEXITSTATUS(pclose(pipe.release()));
    return result;
  }
  std::string done(const std::string& arguments) {
    auto result = run(arguments);
    CAPTURE(arguments);
    CAPTURE(result.out);
    CHECK(result.status == 0);
    return result.out;
  }

  /// Runs it until its output has `text`: a node works by a change a moment after it is durable.
  bool soon(const std::string& arguments, std::string_view text) {
    return test::wait_until(10s, [&] { return run(arguments).has(text); });
  }

  test::temp_dir folder;
  test::role_nodes nodes{
      "log: {access: false}\n"
      "upstreams: [{name: demo, dialect: demo, base_url: \"demo://?tokens_per_s=0\"}]\n"};
};

} // namespace

TEST_CASE_FIXTURE(commands, "rules are added, shown, tried, changed back and removed") {
  CHECK(done("keywords list").find("No keyword sets yet") == 0);
  // The set `default` is made by the first rule.
  CHECK(done("keywords add hours --text 'opening hours' --answer '9 to 6, {user}.'")
        == "1 added, 0 changed, 0 removed; default is at version 1 and has 1 rules.\n");
  CHECK(done("keywords add weather --kind pattern --text 'weather in {city}' --answer "
             "'Tell it of {city}' --prompt --channel onebot --hours 09:00-18:00 --zone +08:00 "
             "--cooldown 5 --cooldown-per user --priority 3")
            .find("default is at version 2")
        != std::string::npos);
  auto shown = json::parse(done("keywords show --json"));
  REQUIRE(shown["items"].size() == 2);
  CHECK(shown["items"][1]["item"]
        == json::parse(R"({"id":"weather","kind":"pattern","text":"weather in {city}","priority":3,
             "scope":{"channels":["onebot"],"hours":["09:00-18:00"],"zone":"+08:00"},
             "answers":[{"text":"Tell it of {city}","prompt":true}],
             "cooldown_ms":5000,"cooldown_per":"user"})"));
  CHECK(done("keywords show --query opening").find("weather") == std::string::npos);
  CHECK(soon("keywords test 'your opening hours?'", "default/hours"));
  CHECK(done("keywords test nothing").find("No rule answers") == 0);
  CHECK(done("keywords remove weather").find("1 removed") != std::string::npos);
  CHECK(done("keywords versions").find("3 ") != std::string::npos);
  CHECK(done("keywords diff 2").find("- {") == 0);
  CHECK(done("keywords restore 2").find("default is at version 4 and has 2 rules")
        != std::string::npos);
  CHECK(done("keywords disable").find("disabled") != std::string::npos);
  CHECK(done("keywords list").find("disabled") != std::string::npos);
  CHECK(done("keywords enable").find("in use") != std::string::npos);
  CHECK(soon("keywords status", "2 rules in use"));
  CHECK(done("keywords top").find("No rule answered") == 0);
  CHECK(done("keywords trends").find("Nothing rose") == 0);
  CHECK(done("keywords delete default --yes").find("deleted") != std::string::npos);
}

TEST_CASE_FIXTURE(commands, "files go in and out, and what is wrong in them is told by its line") {
  folder.write("rules.csv", "id,text,answer\nprice,price,cheap\nprice,,very cheap\nlow,hi,hello\n");
  CHECK(done("keywords import rules.csv --dry-run").find("Would be: 2 added") == 0);
  CHECK(done("keywords import rules.csv").find("2 added") == 0);
  CHECK(done("keywords import - <rules.csv").find("Nothing changed") == 0);
  CHECK(done("keywords lint").find("low: ") == 0);
  auto out = done("keywords export --format csv -o out.csv");
  CHECK(out.empty());
  CHECK(done("keywords import out.csv --replace").find("Nothing changed") == 0);
  CHECK(json::parse(done("keywords export"))["rules"].size() == 2);
  folder.write("bad.csv", "id,text,answer\nnew,x,y\nbad,,y\n");
  auto bad = run("keywords import bad.csv");
  CHECK(bad.status != 0);
  CHECK(bad.has("line 3: bad: text must be"));
  CHECK(bad.has("nothing was changed"));
  CHECK(done("keywords import bad.csv --skip-problems").find("1 added") != std::string::npos);
}

TEST_CASE_FIXTURE(commands, "what makes no sense is refused, with what to do") {
  auto usage = run("keywords add x");
  CHECK(usage.status == 2);
  CHECK(usage.has("--answer"));
  CHECK(run("keywords").status == 2);
  CHECK(run("keywords add x --rule nonsense").status == 2);
  CHECK(run("keywords delete shop").status == 2);
  auto missing = run("keywords add x --text y --answer z --set shop");
  CHECK(missing.status == 1);
  CHECK(missing.has("`troupe keywords create shop` makes it"));
  CHECK(run("keywords import nowhere.csv").has("cannot read nowhere.csv"));
  auto wrong = run("keywords add x --text y --answer '{nobody}'");
  CHECK(wrong.status != 0);
  CHECK(wrong.has("answers[0].text"));
  CHECK(done("keywords add --help").find("troupe keywords add hours") != std::string::npos);
  CHECK(done("words --help").find("troupe words add") != std::string::npos);
}
