// What a node tells the others at once, on real nodes.
#include "tests/support/onebot_peer.hpp"
#include "tests/support/role_nodes.hpp"
#include "tests/support/script_server.hpp"

#include <doctest/doctest.h>
#include <httplib.h>

using namespace troupe;
using namespace troupe::test;
using namespace std::chrono_literals;

namespace {

const std::string demo = "log: {access: false}\nupstreams: [{name: demo, dialect: demo, base_url: "
                         "\"demo://?tokens_per_s=0&tokens=5\"}]\n";

} // namespace

TEST_CASE("a key revoked at one node is refused by every node within a second") {
  // Kept for an hour if nobody tells.
  role_nodes nodes{demo + "keys: {cache_ms: 3600000}\n"};
  nodes.start("a", "gateway, session");
  nodes.start("b", "gateway, session");
  nodes.start("c", "gateway, session");
  REQUIRE(nodes.settled());
  auto admin = nodes.client("a");
  auto made = admin->post("/api/v1/keys", {{"name", "k"}, {"scopes", {"openai"}}}).body;
  auto secret = made.value("secret", "");
  REQUIRE(!secret.empty());
  std::vector<std::unique_ptr<api_client>> holders;
  for (auto name : {"a", "b", "c"})
    holders.push_back(
        std::make_unique<api_client>(nodes.at(name).host(), nodes.at(name).port(), secret));
  for (auto& holder : holders)
    for (int i = 0; i < 3; ++i)
      CHECK(holder->get("/v1/models").status == 200);
  httplib::Client http{nodes.at("a").url()};
  http.set_bearer_token_auth(nodes.at("a").token());
  auto revoked = http.Delete("/api/v1/keys/" + made.value("id", ""));
  REQUIRE(revoked);
  CHECK(revoked->status / 100 == 2);
  for (auto& holder : holders)
    CHECK(eventually([&] { return holder->get("/v1/models").status == 401; }, 1s));
}

TEST_CASE("a row of the outbox whose account is at another node leaves at once") {
  // A minute and more if nobody tells.
  role_nodes nodes{demo + "channels:\n  outbox: {poll_ms: 3600000}\n  onebot: [{account: qq}]\n"};
  nodes.start("a", "gateway, session");
  nodes.start("b", "gateway, channel");
  REQUIRE(nodes.settled());
  onebot_peer_options options;
  options.port = nodes.at("b").port();
  onebot_peer peer{options};
  REQUIRE(peer.dial() == 101);
  peer.say_in_private(7, "hello");
  CHECK(peer.wait_said(1, 10s));
  peer.say_in_private(7, "hello again");
  CHECK(peer.wait_said(2, 10s));
}
