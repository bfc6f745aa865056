// Our OneBot peer against code others wrote: the real koishi with its OneBot adapter. What holds
// here makes the peer fit to stand for NapCat and the like in the tests of Troupe's own adapter.
#include "tests/support/onebot_peer.hpp"
#include "tests/support/process.hpp"
#include "tests/support/script_server.hpp"

#include <doctest/doctest.h>

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <stdexcept>
#include <thread>

using namespace troupe;
using namespace std::chrono_literals;
using nlohmann::json;

namespace {

constexpr auto patience = 30s;

struct koishi {
  koishi() {
    auto root = std::getenv("TROUPE_SOURCE");
    std::string folder = std::string{root != nullptr ? root : "."} + "/tests/onebot";
    if (!std::filesystem::exists(folder + "/node_modules"))
      throw std::runtime_error("koishi is not installed: run scripts/setup, or npm ci in "
                               + folder);
    log_file = dir.path() + "/koishi.log";
    auto port_file = dir.path() + "/port";
    child.emplace(std::vector<std::string>{"node", folder + "/koishi.mjs", "10001", port_file},
                  std::map<std::string, std::string>{}, log_file);
    auto deadline = std::chrono::steady_clock::now() + patience;
    while (!std::filesystem::exists(port_file)) {
      if (!child->running() || std::chrono::steady_clock::now() > deadline)
        throw std::runtime_error("koishi did not start:\n" + log());
      std::this_thread::sleep_for(20ms);
    }
    std::ifstream{port_file} >> port;
  }

  std::string log() const {
    std::ifstream file{log_file};
    return {std::istreambuf_iterator<char>{file}, {}};
  }

  test::temp_dir dir;
  std::string log_file;
  std::optional<test::process> child;
  int port = 0;
};

test::onebot_peer_options peer_for(const koishi& k) {
  test::onebot_peer_options options;
  options.port = k.port;
  options.path = "/onebot";
  return options;
}

bool asks_who_it_is(const json& action) { return action.value("action", "") == "get_login_info"; }

} // namespace

TEST_CASE("koishi holds a conversation with our OneBot peer") {
  koishi k;
  INFO(k.log());
  test::onebot_peer peer{peer_for(k)};
  REQUIRE(peer.dial() == 101);
  REQUIRE(peer.wait_action(asks_who_it_is, patience));

  peer.say_in_private(777, json::array({{{"type", "text"}, {"data", {{"text", "hello"}}}}}));
  REQUIRE(peer.wait_said(1, patience));
  CHECK(peer.said()[0] == "echo hello from 777 in private");

  // The string form, with what CQ codes must escape.
  auto id = peer.say_in_group(555, 778, "a &amp; b &#91;c&#93;, d");
  REQUIRE(peer.wait_said(2, patience));
  CHECK(peer.said()[1] == "echo a & b [c], d from 778 in group 555");

  // A quote: koishi asks for the message by get_msg, and understands our answer.
  peer.say_in_group(555, 777,
                    json::array({{{"type", "reply"}, {"data", {{"id", id}}}},
                                 {{"type", "text"}, {"data", {{"text", "yes"}}}}}));
  REQUIRE(peer.wait_said(3, patience));
  CHECK(peer.said()[2] == "echo yes on \"a & b [c], d\" from 777 in group 555");
  for (const auto& action : peer.actions())
    CHECK(action.contains("echo"));
}

TEST_CASE("koishi takes our peer back after its connection broke") {
  koishi k;
  INFO(k.log());
  test::onebot_peer peer{peer_for(k)};
  REQUIRE(peer.dial() == 101);
  REQUIRE(peer.wait_action(asks_who_it_is, patience));
  REQUIRE(k.log().find("the bot is offline") == std::string::npos);
  peer.hang_up();
  REQUIRE(
      test::eventually([&] { return k.log().find("the bot is offline") != std::string::npos; }));
  REQUIRE(peer.dial() == 101);
  REQUIRE(test::eventually([&] {
    auto actions = peer.actions();
    return std::count_if(actions.begin(), actions.end(), asks_who_it_is) == 2;
  }));
  peer.say_in_private(777, "back");
  REQUIRE(peer.wait_said(1, patience));
  CHECK(peer.said()[0] == "echo back from 777 in private");
}

TEST_CASE("koishi turns away a peer with another self id or role") {
  koishi k;
  INFO(k.log());
  auto options = peer_for(k);
  options.role = "Event";
  test::onebot_peer wrong_role{options};
  CHECK(wrong_role.dial() == 101); // koishi accepts, then closes with 1008
  CHECK(wrong_role.wait_closed(patience));
  options.role = "Universal";
  options.self_id = "10002";
  test::onebot_peer wrong_id{options};
  CHECK(wrong_id.dial() == 101);
  CHECK(wrong_id.wait_closed(patience));
}
