#include "cluster/cli/actors_view.hpp"
#include "cluster/cli/answer.hpp"
#include "cluster/cli/chat_memory.hpp"
#include "cluster/cli/client.hpp"
#include "cluster/cli/completion.hpp"
#include "cluster/cli/terminal.hpp"
#include "tests/support/process.hpp"

#include <CLI/CLI.hpp>
#include <doctest/doctest.h>

#include <fstream>

using namespace troupe;
using namespace troupe::cli;
using nlohmann::json;

TEST_CASE("text of others cannot command the terminal") {
  CHECK(printable("plain\ttext\nüber 你好 🎭") == "plain\ttext\nüber 你好 🎭");
  CHECK(printable("\x1b]0;title\x07\x1b[31mred\r\x7f") == "]0;title[31mred");
  CHECK(printable("a\xc2\x9b"
                  "31mb")
        == "a31mb");
  CHECK(printable("safe\xe2\x80\xae"
                  "exe.txt")
        == "safeexe.txt");
  CHECK(printable("\xff") == "\xef\xbf\xbd");
}

TEST_CASE("width counts what a terminal shows, and cutting never splits a character") {
  CHECK(display_width("abc") == 3);
  CHECK(display_width("你好") == 4);
  CHECK(display_width("e\xcc\x81") == 1);
  CHECK(cut_to_width("abc", 3) == "abc");
  CHECK(cut_to_width("abcd", 3) == "ab…");
  CHECK(cut_to_width("你好吗", 4) == "你…");
  CHECK(cut_to_width("abc", 0).empty());
}

TEST_CASE("a table's columns are as wide as they need to be") {
  text_table table{{"NAME", "N"}, {false, true}};
  table.add({"你", "5"});
  table.add({"a\nb\x1b", "100"});
  CHECK(table.render({}) == "NAME    N\n你      5\na b   100\n");
  CHECK(table.render({}, 5) == "NAME…\n你  …\na b …\n");
}

TEST_CASE("numbers, spans and times are short") {
  CHECK(short_number(0) == "0");
  CHECK(short_number(999) == "999");
  CHECK(short_number(1'000) == "1k");
  CHECK(short_number(1'234'567) == "1.23M");
  CHECK(short_number(999'999) == "1M");
  CHECK(short_number(0.25) == "0.25");
  CHECK(short_duration(-1) == "0s");
  CHECK(short_duration(75.9) == "1m 15s");
  CHECK(short_duration(3'600) == "1h 0m");
  CHECK(short_duration(93'784) == "1d 2h");
  CHECK(short_time(0) == "never");
}

TEST_CASE("a node's address is taken with and without its scheme, and refused when it is none") {
  CHECK(normalise_url("localhost:8080") == "http://localhost:8080");
  CHECK(normalise_url("https://x.example/") == "https://x.example");
  for (const auto* url : {"", "ftp://x", "http://", "http://a/b", "http://u@h", "http://a b"})
    CHECK_THROWS_AS(normalise_url(url), failure);
  CHECK(url_encode("a b/ü?") == "a%20b%2F%C3%BC%3F");
}

TEST_CASE("an answer is put together from its events") {
  std::string shown;
  answer_events events{
      {.text = [&](std::string_view text) { shown += text; },
       .reasoning = [&](std::string_view text) { shown += "(" + std::string{text} + ")"; },
       .restarted = [&] { shown += "|"; }}};
  CHECK(events.take("accepted", R"({"turn_id":"t1"})", "t1:0"));
  CHECK(events.take("delta", R"({"reasoning":"hm"})", "t1:2"));
  CHECK(events.take("delta", R"({"text":"lost"})", "t1:3"));
  CHECK(events.take("restarted", R"({"reason":"x"})", "t1:4"));
  CHECK(events.take("delta", R"({"text":"kept"})", "t1:5"));
  CHECK(events.take("heartbeat", "{}", ""));
  CHECK(events.take("delta", "not json", ""));
  CHECK(events.take("message", R"({"id":"m1"})", "t1:6"));
  CHECK_FALSE(
      events.take("finished", R"({"status":"stopped","usage":{"total_tokens":3}})", "t1:7"));
  CHECK(shown == "(hm)lost|kept");
  CHECK(events.turn_id() == "t1");
  CHECK(events.last_id() == "t1:7");
  CHECK(events.result().text == "kept");
  CHECK(events.result().status == "stopped");
  CHECK(events.result().message["id"] == "m1");
  CHECK(events.result().usage["total_tokens"] == 3);
}

TEST_CASE("a terminal's conversation is remembered for its node, and only the newest are kept") {
  test::temp_dir folder;
  chat_memory memory{folder.path() + "/state"};
  CHECK(memory.recall("n", "t").empty());
  memory.remember("n", "t", "c1");
  memory.remember("other", "t", "c2");
  CHECK(memory.recall("n", "t") == "c1");
  CHECK(memory.recall("other", "t") == "c2");
  CHECK(memory.recall("n", "").empty());
  memory.remember("n", "t", "");
  CHECK(memory.recall("n", "t").empty());
  for (int i = 0; i < 101; ++i)
    memory.remember("n", "t" + std::to_string(i), "c");
  CHECK(memory.recall("other", "t").empty());
  CHECK(memory.recall("n", "t1") == "c");
  std::ofstream{folder.path() + "/state/chat.json"} << R"([1,{"node":5,"terminal":"t5"}])";
  CHECK(memory.recall("n", "t5").empty());
  memory.remember("n", "t5", "c5");
  CHECK(memory.recall("n", "t5") == "c5");
}

TEST_CASE("the actors' view ranks types by what they did since the last look") {
  json before{{"types", {{{"type", "a"}, {"handled", 1'000}}, {{"type", "b"}, {"handled", 10}}}}};
  json now{{"types",
            {{{"type", "a"}, {"live", 1}, {"handled", 1'000}, {"latency_p99_us", 1'500}},
             {{"type", "b"}, {"live", 2}, {"handled", 30}}}},
           {"busiest", {{{"type", "b"}, {"id", 12}, {"handled", 20}, {"busy_us", 5}}}},
           {"total", 3}};
  auto view = actors_view(now, before, 2, "busy", {}, 0, 0);
  CHECK(view.find("\nb ") < view.find("\na "));
  CHECK(view.find(" 10 ") != std::string::npos); // twenty in two seconds
  CHECK(view.find("1.5 ms") != std::string::npos);
  CHECK(view.find("1 of 3 actors, by busy") != std::string::npos);
  auto lines = [](const std::string& s) { return std::count(s.begin(), s.end(), '\n'); };
  CHECK(lines(actors_view(now, before, 2, "busy", {}, 0, 2)) == 2);
  CHECK(lines(actors_view(json::object(), nullptr, 0, "busy", {}, 0, 0)) == 1);
}

TEST_CASE("completion knows every command, its options and their values") {
  CLI::App app{"t", "tool"};
  app.fallthrough();
  std::string text;
  app.add_option("--config", text, "Configuration file");
  auto* key = app.add_subcommand("key", "Keys it's about");
  auto* create = key->add_subcommand("create", "Make one");
  create->add_option("--scope,-s", text, "Scope")->check(CLI::IsMember({"api", "admin"}));
  bool quiet = false;
  create->add_flag("--quiet", quiet, "Say less");
  auto* shell = app.add_subcommand("shell", "Shell");
  shell->add_option("which", text)->check(CLI::IsMember({"bash", "zsh"}));
  auto root = describe_commands(app);
  REQUIRE(root.subcommands.size() == 2);
  const auto& made = root.subcommands[0].subcommands[0];
  CHECK(made.name == "create");
  auto scope = std::find_if(made.options.begin(), made.options.end(), [](const shell_option& o) {
    return o.names == std::vector<std::string>{"--scope", "-s"};
  });
  REQUIRE(scope != made.options.end());
  CHECK(scope->takes_value);
  CHECK(scope->values.size() == 2);
  auto config = std::find_if(made.options.begin(), made.options.end(), [](const shell_option& o) {
    return o.names == std::vector<std::string>{"--config"};
  });
  REQUIRE(config != made.options.end());
  CHECK(config->takes_file);
  CHECK(root.subcommands[1].words.size() == 2);
  for (const auto* name : {"bash", "zsh", "fish"}) {
    auto script = completion_script(root, name);
    CHECK(script.find("quiet") != std::string::npos);
    CHECK(script.find("admin") != std::string::npos);
  }
}
