// A OneBot implementation on the terminal: try a OneBot server (Troupe's, koishi's) without QQ.
// Each line is a message of the user; in a group it mentions the bot.
#include "tests/support/onebot_peer.hpp"

#include <CLI/CLI.hpp>

#include <iostream>
#include <thread>

using troupe::test::onebot_peer;

int main(int argc, char** argv) {
  CLI::App app{"A OneBot v11 peer on the terminal"};
  troupe::test::onebot_peer_options options;
  std::int64_t user = 777;
  std::int64_t group = 0;
  app.add_option("--host", options.host, "where the server is")->capture_default_str();
  app.add_option("--port", options.port, "its port")->required();
  app.add_option("--path", options.path, "of the reverse WebSocket")->capture_default_str();
  app.add_option("--token", options.token, "access token");
  app.add_option("--self-id", options.self_id, "the bot's number")->capture_default_str();
  app.add_option("--user", user, "who speaks")->capture_default_str();
  app.add_option("--group", group, "the group it is said in; 0: a private chat");
  CLI11_PARSE(app, argc, argv);
  options.heartbeat_ms = 5'000;

  onebot_peer peer{options};
  if (auto status = peer.dial(); status != 101) {
    std::cerr << "not let in: " << (status == 0 ? "nobody listens" : std::to_string(status))
              << '\n';
    return 1;
  }
  std::thread reader{[&] {
    for (std::size_t shown = 0; peer.connected();) {
      peer.wait_said(shown + 1, std::chrono::milliseconds{200});
      for (auto said = peer.said(); shown < said.size(); ++shown)
        std::cout << said[shown] << std::endl;
    }
    std::cerr << "the connection ended\n";
  }};
  for (std::string line; peer.connected() && std::getline(std::cin, line);) {
    if (line.empty())
      continue;
    if (group != 0)
      peer.say_in_group(group, user, "[CQ:at,qq=" + options.self_id + "] " + line);
    else
      peer.say_in_private(user, line);
  }
  // Answers to the last line may still come.
  peer.wait_closed(std::chrono::seconds{10});
  peer.hang_up();
  reader.join();
  return 0;
}
