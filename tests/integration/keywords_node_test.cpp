// Keyword answers on real nodes: a chat platform, REST, changes while nodes run, statistics of all.
#include "tests/support/cluster_nodes.hpp"
#include "tests/support/onebot_peer.hpp"
#include "tests/support/role_nodes.hpp"

#include <doctest/doctest.h>
#include <httplib.h>

using namespace troupe;
using namespace troupe::test;
using namespace std::chrono_literals;
using nlohmann::json;

namespace {

// The demo upstream answers otherwise; nobody looks for changes but those who are told.
const std::string config = "log: {access: false}\n"
                           "upstreams: [{name: demo, dialect: demo, base_url: "
                           "\"demo://?tokens_per_s=0&tokens=5\"}]\n"
                           "channels:\n  onebot: [{account: qq}]\n";
const std::string told_only = "keywords: {poll_ms: 3600000}\n";

const json greeting{{"id", "greet"},
                    {"text", "hello"},
                    {"answers", {{{"text", "Welcome, {user}."}}}},
                    {"scope", {{"channels", {"onebot"}}}}};

onebot_peer_options peer_of(troupe_node& node) {
  onebot_peer_options options;
  options.port = node.port();
  return options;
}

void put(api_client& http, const std::string& set, const json& rule) {
  auto answer = http.post("/api/v1/keyword-sets/" + set + "/items", {{"put", json::array({rule})}});
  CAPTURE(answer.body.dump());
  REQUIRE(answer.status == 200);
}

std::size_t matches(api_client& http, const std::string& text) {
  auto answer = http.post("/api/v1/keywords/test", {{"text", text}, {"channel", "onebot"}});
  return answer.status == 200 ? answer.body.at("matches").size() : 0;
}

} // namespace

TEST_CASE("a rule answers a QQ message, and no model is asked") {
  role_nodes nodes{config + told_only};
  nodes.start("a", "gateway, session, channel, tools");
  REQUIRE(nodes.settled());
  auto http = nodes.client("a");
  REQUIRE(http->post("/api/v1/keyword-sets", {{"name", "shop"}}).status == 201);
  put(*http, "shop", greeting);
  REQUIRE(wait_until(5s, [&] { return matches(*http, "hello") == 1; }));
  onebot_peer peer{peer_of(nodes.at("a"))};
  REQUIRE(peer.dial() == 101);
  peer.say_in_private(7, "oh hello");
  REQUIRE(peer.wait_said(1, 10s));
  CHECK(peer.said()[0].find("Welcome, ") == 0);
  CHECK(nodes.metric("a", "troupe_keywords_messages_total", {"outcome=\"answered\""}) == 1);
  CHECK(nodes.metric("a", "troupe_ledger_records_total", {"outcome=\"taken\""}) == 0);
  // What no rule answers goes to the model.
  peer.say_in_private(7, "tell me more");
  REQUIRE(peer.wait_said(2, 10s));
  CHECK(peer.said()[1].find("Welcome") == std::string::npos);
  // The conversation has what the user wrote, and the answer.
  auto top = http->get("/api/v1/keywords/statistics");
  REQUIRE(top.status == 200);
  CHECK(top.body["top"]
        == json::array({{{"keyword", "shop/greet"}, {"at_least", 1}, {"at_most", 1}}}));
  CHECK(top.body["channels"] == json{{"onebot", 1}});
}

TEST_CASE(
    "a change at one node is in force at the other at once, and so are counts after its end") {
  role_nodes nodes{config + told_only};
  nodes.start("a", "gateway, session, tools");
  nodes.start("b", "gateway, session, channel, tools");
  REQUIRE(nodes.settled());
  auto a = nodes.client("a");
  auto b = nodes.client("b");
  REQUIRE(a->post("/api/v1/keyword-sets", {{"name", "shop"}}).status == 201);
  put(*a, "shop", greeting);
  REQUIRE(wait_until(5s, [&] { return matches(*b, "hello") == 1; }));
  onebot_peer peer{peer_of(nodes.at("b"))};
  REQUIRE(peer.dial() == 101);
  for (int user = 1; user <= 8; ++user) // whoever owns their conversations
    peer.say_in_private(user, "hello");
  REQUIRE(peer.wait_said(8, 20s));
  for (const auto& text : peer.said())
    CHECK(text.find("Welcome, ") == 0);
  auto changed = greeting;
  changed["answers"][0]["text"] = "Good day.";
  put(*b, "shop", changed);
  REQUIRE(wait_until(5s, [&] {
    auto test = a->post("/api/v1/keywords/test", {{"text", "hello"}, {"channel", "onebot"}});
    return test.body["matches"][0]["answer"] == "Good day.";
  }));
  for (int user = 1; user <= 8; ++user)
    peer.say_in_private(user, "hello");
  REQUIRE(peer.wait_said(16, 20s));
  CHECK(peer.said().back() == "Good day.");
  CHECK(nodes.stop("b") == 0);
  auto top = a->get("/api/v1/keywords/statistics?unit=day");
  REQUIRE(top.status == 200);
  CHECK(top.body["top"][0]["at_least"] == 16);
}

TEST_CASE("a conversation of the API is answered with its picture, if rules are for it") {
  role_nodes nodes{config + "keywords: {api: true}\n"};
  nodes.start("a", "gateway, session, tools");
  REQUIRE(nodes.settled());
  auto http = nodes.client("a");
  REQUIRE(http->post("/api/v1/keyword-sets", {{"name", "shop"}}).status == 201);
  put(*http, "shop",
      {{"id", "map"},
       {"text", "where"},
       {"answers", {{{"text", "Here:"}, {"images", {"https://example.com/map.png"}}}}}});
  REQUIRE(wait_until(5s, [&] { return matches(*http, "where") == 1; }));
  auto made = http->post("/api/v1/conversations", json::object());
  REQUIRE(made.status == 201);
  auto path = "/api/v1/conversations/" + made.body.value("id", "") + "/messages";
  auto answer = http->post(path, {{"content", "where are you?"}});
  REQUIRE(answer.status == 200);
  auto page = http->get(path).body;
  REQUIRE(page["messages"].size() == 2);
  CHECK(page["messages"][0]["content"][0]["text"] == "where are you?");
  auto parts = page["messages"][1]["content"];
  REQUIRE(parts.size() == 2);
  CHECK(parts[0]["text"] == "Here:");
  CHECK(parts[1] == json{{"type", "image"}, {"url", "https://example.com/map.png"}});
}

TEST_CASE("what is asked wrongly of keywords is refused with the field's name") {
  role_nodes nodes{config};
  nodes.start("a", "gateway, session, tools");
  REQUIRE(nodes.settled());
  auto http = nodes.client("a");
  auto message = [&](const api_answer& answer) {
    CHECK(answer.status == 400);
    return answer.body["error"].value("message", "");
  };
  CHECK(message(http->post("/api/v1/keywords/test", json::object())).find("text") == 0);
  CHECK(message(http->post("/api/v1/keywords/test", {{"text", "a"}, {"who", "b"}})).find("who")
        == 0);
  CHECK(message(http->get("/api/v1/keywords/statistics?unit=week")) == "unit must be hour or day");
  CHECK(message(http->get("/api/v1/keywords/statistics?limit=0")).find("limit") == 0);
  CHECK(http->post("/api/v1/keywords/test", {{"text", "a"}, {"set", "none"}}).status == 404);
  auto status = http->get("/api/v1/keywords/status");
  CHECK(status.status == 200);
  CHECK(status.body["items"] == 0);
  CHECK(status.body["error"].is_null());
  api_client stranger{nodes.at("a").host(), nodes.at("a").port(), "sk-troupe-nobody"};
  for (auto path : {"/api/v1/keywords/status", "/api/v1/keywords/statistics"})
    CHECK(stranger.get(path).status == 401);
}
