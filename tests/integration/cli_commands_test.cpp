// The commands of the CLI, run as a user runs them, against a stand-in for the node.
#include "tests/support/fake_api.hpp"
#include "tests/support/process.hpp"
#include "tests/support/pty.hpp"

#include <doctest/doctest.h>

#include <fstream>
#include <sstream>

using namespace troupe::test;
using nlohmann::json;

namespace {

struct ran {
  int status;
  std::string output;
};

struct cli_fixture {
  fake_api api;
  temp_dir home;

  std::map<std::string, std::string> environment() const {
    return {{"XDG_STATE_HOME", home.path() + "/state"},
            {"TERM", "xterm"},
            {"LC_ALL", "C.UTF-8"},
            {"TROUPE_NODE__DATA_DIR", home.path() + "/data"}};
  }

  std::vector<std::string> command(std::vector<std::string> words, bool with_url = true) const {
    std::vector<std::string> out{troupe_binary()};
    out.insert(out.end(), words.begin(), words.end());
    if (with_url)
      out.insert(out.end(), {"--url", api.url(), "--key", "k1"});
    return out;
  }

  /// Runs it without a terminal; standard output and error come together.
  ran run(std::vector<std::string> words, bool with_url = true) const {
    auto log = home.path() + "/out";
    std::ofstream{log, std::ios::trunc};
    process child{command(std::move(words), with_url), environment(), log};
    auto status = child.wait(std::chrono::seconds{20});
    std::stringstream text;
    text << std::ifstream{log}.rdbuf();
    return {status.value_or(-1), text.str()};
  }
};

} // namespace

TEST_CASE_FIXTURE(cli_fixture, "chat with a text prints the answer and nothing else") {
  auto said = run({"chat", "hello", "there"});
  CHECK(said.output == "You said: hello there\n");
  CHECK(said.status == 0);
  auto posts = api.requests("/messages");
  REQUIRE(posts.size() == 1);
  CHECK(posts[0].body["content"] == "hello there");
  CHECK(posts[0].key == "Bearer k1");
}

TEST_CASE_FIXTURE(cli_fixture, "chat --json prints one object for programs") {
  auto said = run({"chat", "--json", "--model", "other", "--system", "Be brief.", "hello"});
  auto value = json::parse(said.output);
  CHECK(value["text"] == "You said: hello");
  CHECK(value["status"] == "finished");
  CHECK(value["usage"]["total_tokens"] == 7);
  CHECK(api.requests("/conversations")[0].body["system_prompt"] == "Be brief.");
  CHECK(api.requests("/messages")[0].body["model"] == "other");
}

TEST_CASE_FIXTURE(cli_fixture, "chat takes up an answer whose connection broke where it broke") {
  auto said = run({"chat", "break it"});
  CHECK(said.output == "You said: break it\n");
  CHECK(said.status == 0);
  auto resumed = api.requests("/events");
  REQUIRE(resumed.size() == 1);
  CHECK(resumed[0].last_event_id.ends_with(":2"));
}

TEST_CASE_FIXTURE(cli_fixture, "chat says why there is no answer and exits with an error") {
  auto failed = run({"chat", "fail now"});
  CHECK(failed.output.find("You said: fail now") != std::string::npos);
  CHECK(failed.output.find("troupe: the provider hung up") != std::string::npos);
  CHECK(failed.status == 1);
  auto refused = run({"chat", "refuse me"});
  CHECK(refused.output == "troupe: content must be polite\n");
  CHECK(refused.status == 2);
  auto unknown = run({"chat", "-c", "0190163d-8694-739b-aea5-966c26f8ad00", "hello"});
  CHECK(unknown.status == 1);
  auto nothing = run({"chat"});
  CHECK(nothing.output.find("there is nothing to say") != std::string::npos);
  CHECK(nothing.status == 2);
}

TEST_CASE_FIXTURE(cli_fixture, "commands say what to do when no node runs") {
  for (std::vector<std::string> words : {std::vector<std::string>{"status"}, {"actors"}}) {
    auto got = run(words, false);
    CHECK(got.output.find("troupe serve") != std::string::npos);
    CHECK(got.status == 1);
  }
  auto gone = run({"status", "--url", "127.0.0.1:1"}, false);
  CHECK(gone.output.find("no node answers at http://127.0.0.1:1") != std::string::npos);
  CHECK(gone.status == 1);
  CHECK(run({"status", "--url", "ftp://x"}, false).status == 2);
}

TEST_CASE_FIXTURE(cli_fixture, "status and actors show the operators' figures, or all as JSON") {
  json node{{"name", "n1"},
            {"version", "0.1.0"},
            {"phase", "ready"},
            {"uptime_s", 75},
            {"store", {{"backend", "sqlite"}, {"writable", true}}}};
  api.set_ops("/ops/v1/node", node);
  json figures{{"types", {{{"type", "session"}, {"live", 3}, {"handled", 1'500}}}},
               {"busiest", {{{"type", "session"}, {"id", 7}}}},
               {"total", 3}};
  api.set_ops("/ops/v1/actors", figures);
  auto status = run({"status"});
  CHECK(status.output.starts_with("n1 0.1.0 is ready for 1m 15s\n"));
  CHECK(status.output.find("sqlite") != std::string::npos);
  CHECK(json::parse(run({"status", "--json"}).output) == node);
  auto actors = run({"actors", "--sort", "depth", "--type", "session", "--limit", "5"});
  CHECK(actors.output.find("session") != std::string::npos);
  CHECK(actors.output.find("1.5k") != std::string::npos);
  CHECK(actors.output.find('\x1b') == std::string::npos);
  CHECK(api.requests("/ops/v1/actors").back().path
        == "/ops/v1/actors?sort=depth&limit=5&type=session");
  CHECK(json::parse(run({"actors", "--json"}).output) == figures);
  CHECK(run({"actors", "--sort", "colour"}).status == 2);
}

TEST_CASE_FIXTURE(cli_fixture, "status of a node that is not ready exits with an error") {
  api.set_ops("/ops/v1/node", {{"name", "n1"}, {"phase", "draining"}});
  CHECK(run({"status"}).status == 1);
}

TEST_CASE_FIXTURE(cli_fixture, "keys are kept in the database when no node runs") {
  auto made = run(
      {"key", "create", "laptop", "--scope", "openai", "--expires-in-days", "2", "--json"}, false);
  REQUIRE(made.status == 0);
  auto key = json::parse(made.output);
  CHECK(key["secret"].get<std::string>().starts_with("sk-"));
  CHECK(key["scopes"] == json{"openai"});
  auto listed = json::parse(run({"key", "list", "--json"}, false).output);
  REQUIRE(listed["keys"].size() == 1);
  CHECK(listed["keys"][0]["name"] == "laptop");
  CHECK_FALSE(listed["keys"][0].contains("secret"));
  CHECK(run({"key", "list"}, false).output.find("laptop") != std::string::npos);
  CHECK(run({"key", "revoke", key["id"].get<std::string>()}, false).status == 0);
  CHECK(run({"key", "list"}, false).output.find("revoked") != std::string::npos);
  CHECK(run({"key", "revoke", "nonsense"}, false).status == 1);
  CHECK(run({"key", "create", "x", "--scope", "root"}, false).status == 2);
}

TEST_CASE_FIXTURE(cli_fixture, "a dialogue has a prompt, commands and its conversation") {
  pty_process user{command({"chat", "--new"}), environment()};
  REQUIRE(user.shows("> "));
  user.type("hello\r");
  CHECK(user.shows("You said: hello"));
  REQUIRE(user.shows("> "));
  user.type("two \\\r");
  REQUIRE(user.shows(". "));
  user.type("lines\r");
  CHECK(user.shows("You said: two "));
  REQUIRE(user.shows("> "));
  user.type("/rename A better title\r");
  CHECK(user.shows("A better title"));
  user.type("/list\r");
  CHECK(user.shows("MESSAGES"));
  user.type("/regenerate\r");
  CHECK(user.shows("You said: again"));
  user.type("/edit other words\r");
  CHECK(user.shows("You said: other words"));
  user.type("/nonsense\r");
  CHECK(user.shows("There is no /nonsense"));
  user.type("/model\r");
  CHECK(user.shows("other"));
  user.type("/he\t\r");
  CHECK(user.shows("Ctrl-C stops a running answer"));
  user.type("/delete\r");
  REQUIRE(user.shows("[y/N]"));
  user.type("y\r");
  CHECK(user.shows("Deleted."));
  user.type("/quit\r");
  CHECK(user.wait() == 0);
  auto posts = api.requests("/messages");
  auto kind = [&](const std::string& name) {
    return std::count_if(posts.begin(), posts.end(), [&](const auto& r) {
      return r.body.is_object() && r.body.value("kind", "") == name;
    });
  };
  CHECK(kind("regenerate") == 1);
  CHECK(kind("edit") == 1);
}

TEST_CASE_FIXTURE(cli_fixture, "Ctrl-C stops the running answer and not the program") {
  pty_process user{command({"chat"}), environment()};
  REQUIRE(user.shows("> "));
  user.type("wait for me\r");
  REQUIRE(user.shows("You said: wait for me"));
  user.type("\x03");
  CHECK(user.shows("(stopped)"));
  REQUIRE(user.shows("> "));
  CHECK(api.requests("/stop").size() == 1);
  user.type("hello\r");
  CHECK(user.shows("You said: hello"));
  REQUIRE(user.shows("> "));
  user.type("\x03");
  CHECK(user.shows("Ctrl-C again"));
  user.type("\x03");
  CHECK(user.wait() == 0);
}

TEST_CASE_FIXTURE(cli_fixture, "a new use in the same terminal goes on with its conversation") {
  // One shell, two commands: the same terminal.
  auto line = troupe_binary() + " chat one --url " + api.url() + "; " + troupe_binary()
              + " chat two --url " + api.url();
  pty_process user{{"sh", "-c", line}, environment()};
  CHECK(user.shows("You said: one"));
  CHECK(user.shows("goes on with"));
  CHECK(user.shows("You said: two"));
  CHECK(user.wait() == 0);
  int made = 0;
  for (const auto& r : api.requests("/api/v1/conversations"))
    made += r.method == "POST" && r.path == "/api/v1/conversations" ? 1 : 0;
  CHECK(made == 1);
}

TEST_CASE_FIXTURE(cli_fixture, "colours come on a terminal only, and NO_COLOR turns them off") {
  api.set_ops("/ops/v1/node", {{"name", "n1"}, {"phase", "ready"}});
  pty_process coloured{command({"status"}), environment()};
  CHECK(coloured.wait() == 0);
  CHECK(coloured.screen().find("\x1b[1mn1") != std::string::npos);
  auto plain_environment = environment();
  plain_environment["NO_COLOR"] = "1";
  pty_process plain{command({"status"}), plain_environment};
  CHECK(plain.wait() == 0);
  CHECK(plain.screen().find('\x1b') == std::string::npos);
}

TEST_CASE_FIXTURE(cli_fixture, "actors on a terminal is live until q, and leaves it as it was") {
  api.set_ops("/ops/v1/actors", {{"types", {{{"type", "session"}, {"handled", 5}}}}, {"total", 1}});
  pty_process user{command({"actors", "--interval", "0.1"}), environment()};
  REQUIRE(user.shows("session"));
  REQUIRE(user.shows("session"));
  user.type("d");
  CHECK(user.shows("by depth"));
  user.type("q");
  CHECK(user.shows("\x1b[?1049l"));
  CHECK(user.wait() == 0);
}

TEST_CASE_FIXTURE(cli_fixture, "completion is made for each shell, and bash understands its own") {
  for (const auto* shell : {"bash", "zsh", "fish"}) {
    auto script = run({"completion", shell}, false);
    CHECK(script.status == 0);
    CHECK(script.output.find("revoke") != std::string::npos);
  }
  auto bash = run({"completion", "bash"}, false).output;
  auto file = home.write("complete.bash", bash
                                              + "\nCOMP_WORDS=(troupe key cr); COMP_CWORD=2; "
                                                "_troupe; echo \"${COMPREPLY[*]}\"\n"
                                                "COMP_WORDS=(troupe --url x actors --sort ''); "
                                                "COMP_CWORD=5; _troupe; echo \"${COMPREPLY[*]}\"\n"
                                                "COMP_WORDS=(troupe chat --mo); COMP_CWORD=2; "
                                                "_troupe; echo \"${COMPREPLY[*]}\"\n");
  auto log = home.path() + "/bash.out";
  process child{{"bash", file}, {}, log};
  CHECK(child.wait(std::chrono::seconds{10}) == 0);
  std::stringstream text;
  text << std::ifstream{log}.rdbuf();
  CHECK(text.str() == "create\nbusy handled depth\n--model\n");
  CHECK(run({"completion", "tcsh"}, false).status == 2);
}

TEST_CASE_FIXTURE(cli_fixture, "every command explains itself") {
  for (const auto* name : {"chat", "status", "actors", "key", "config", "completion"}) {
    auto help = run({name, "--help"}, false);
    CHECK(help.status == 0);
    CHECK(help.output.find(name) != std::string::npos);
  }
  CHECK(run({}, false).status == 2);
  CHECK(run({"nonsense"}, false).status == 2);
}
