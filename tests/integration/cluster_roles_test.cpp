// What the roles of a node mean, on real nodes.
#include "tests/support/onebot_peer.hpp"
#include "tests/support/role_nodes.hpp"
#include "tests/support/script_server.hpp"

#include <doctest/doctest.h>

#include <fstream>
#include <sstream>

using namespace troupe;
using namespace troupe::test;
using namespace std::chrono_literals;

namespace {

const std::string demo = "log: {access: false}\nupstreams: [{name: demo, dialect: demo, base_url: "
                         "\"demo://?tokens_per_s=0&tokens=20\"}]\n";

std::string new_conversation(api_client& http) {
  return http.post("/api/v1/conversations", nlohmann::json::object()).body.value("id", "");
}

api_answer say(api_client& http, const std::string& conversation, const std::string& text) {
  return http.post("/api/v1/conversations/" + conversation + "/messages", {{"content", text}});
}

/// What a command of the program said, and its exit code.
std::pair<int, std::string> run_troupe(std::vector<std::string> arguments) {
  temp_dir dir;
  arguments.insert(arguments.begin(), troupe_binary());
  process child{arguments, {}, dir.path() + "/out"};
  auto code = child.wait(30s).value_or(-1);
  std::ifstream in{dir.path() + "/out"};
  std::stringstream text;
  text << in.rdbuf();
  return {code, text.str()};
}

} // namespace

TEST_CASE("a node without `gateway` has no public port and takes its share of conversations, one "
          "without `session` has a port and no conversation") {
  role_nodes nodes{demo};
  nodes.start("a", "gateway");
  nodes.start("b", "session");
  REQUIRE(nodes.settled());
  CHECK(nodes.at("b").url().empty());
  CHECK(nodes.shards_of("b") == 1'024);
  CHECK(nodes.shards_of("a") == 0);
  auto http = nodes.client("a");
  auto answer = say(*http, new_conversation(*http), "hello");
  CHECK(answer.status == 200);
  CHECK(nodes.ops("b", "/ops/v1/node").value("requests_total", -1) == 0);
  CHECK(nodes.ops("b", "/ops/v1/node").value("sessions_live", -1) == 1);
  CHECK(nodes.stop("b") == 0);
  CHECK(nodes.stop("a") == 0);
}

TEST_CASE("who posts where no node takes conversations is told what to start") {
  role_nodes nodes{demo};
  nodes.start("a", "gateway, tools");
  auto http = nodes.client("a");
  auto id = new_conversation(*http);
  CHECK(!id.empty()); // it is in the store, whoever will have it
  auto begin = std::chrono::steady_clock::now();
  auto answer = say(*http, id, "hello");
  CHECK(std::chrono::steady_clock::now() - begin < 5s);
  CHECK(answer.status == 503);
  CHECK(answer.body["error"]["message"].get<std::string>().find("role session")
        != std::string::npos);
  nodes.start("b", "session");
  REQUIRE(eventually([&] { return nodes.shards_of("b") == 1'024; }));
  CHECK(eventually([&] { return say(*http, id, "hello").status == 200; }));
}

TEST_CASE("a node without `channel` starts no account, and one with it does") {
  role_nodes nodes{demo + "channels: {onebot: [{account: qq}]}\n"};
  nodes.start("a", "gateway, session");
  nodes.start("b", "gateway, channel");
  onebot_peer_options at_a;
  at_a.port = nodes.at("a").port();
  CHECK(onebot_peer{at_a}.dial() == 404);
  onebot_peer_options at_b;
  at_b.port = nodes.at("b").port();
  CHECK(onebot_peer{at_b}.dial() == 101);
}

TEST_CASE("`store` and `scheduler` are taken, and the help says that they change nothing yet") {
  role_nodes nodes{demo};
  nodes.start("a", "gateway, session, store, scheduler");
  auto http = nodes.client("a");
  CHECK(say(*http, new_conversation(*http), "hello").status == 200);
  auto help = run_troupe({"serve", "--help"});
  CHECK(help.second.find("store and scheduler change") != std::string::npos);
}

TEST_CASE("a role that is none is refused with those there are") {
  auto [code, text] = run_troupe({"serve", "--roles", "gateway,toolz"});
  CHECK(code == 2);
  CHECK(text.find("toolz") != std::string::npos);
  CHECK(text.find("gateway, session, channel, tools, store or scheduler") != std::string::npos);
}

TEST_CASE("commands that need a public port say that the node here has none") {
  temp_dir dir;
  troupe_node node{dir, demo
                            + "node: {name: a}\ncluster: {listen: \"127.0.0.1:0\", roles: "
                              "[session]}\n"};
  auto said = run_troupe({"key", "list", "--set", "node.data_dir=" + dir.path() + "/data"});
  CHECK(said.first != 0);
  CHECK(said.second.find("no public port") != std::string::npos);
  said = run_troupe({"status", "--set", "node.data_dir=" + dir.path() + "/data"});
  CHECK(said.first == 0);
  CHECK(said.second.find("not the role gateway") != std::string::npos);
}
