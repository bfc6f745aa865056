// The other side of OneBot v11: what NapCat or Lagrange is to Troupe. It dials a reverse WebSocket,
// sends events, answers actions, and can misbehave. Proven against koishi's OneBot adapter by
// tests/integration/onebot_koishi_test.cpp.
#pragma once

#include <nlohmann/json.hpp>

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace troupe::test {

struct onebot_peer_options {
  std::string host = "127.0.0.1";
  int port = 0;
  std::string path = "/ws/onebot/qq";
  std::string self_id = "10001"; // empty: no X-Self-ID
  std::string nickname = "troupe";
  std::string token; // empty: none is sent
  bool token_in_query = false;
  std::string role = "Universal"; // or API, Event
  std::int64_t heartbeat_ms = 0;  // 0: none
  bool echo = true;               // false: actions are done and never answered
  std::int64_t send_retcode = 0;  // of the actions that send messages
  std::string send_error;         // what is said of it
};

/// One connection at a time; a thread of its own. A peer with split sockets is two of these.
class onebot_peer {
public:
  explicit onebot_peer(onebot_peer_options options);
  ~onebot_peer();
  onebot_peer(const onebot_peer&) = delete;
  onebot_peer& operator=(const onebot_peer&) = delete;

  /// Changes take effect with the next action or connection.
  void configure(const std::function<void(onebot_peer_options&)>& change);

  /// Dials, and answers the HTTP status: 101 when connected; 0 when nobody listens or the limit is
  /// over.
  int dial(std::chrono::milliseconds limit = std::chrono::seconds{10});
  /// Dials until it is let in or the limit is over, as implementations do.
  bool dial_until(std::chrono::milliseconds limit);
  bool connected() const;
  /// Ends the connection without a word.
  void hang_up();
  /// True once the other side ended the connection.
  bool wait_closed(std::chrono::milliseconds limit);

  /// Sends a message event and remembers it for get_msg. `message` is an array of segments or a
  /// string with CQ codes; id 0: a new one. Returns the id.
  std::int64_t say_in_group(std::int64_t group, std::int64_t user, nlohmann::json message,
                            std::int64_t id = 0);
  std::int64_t say_in_private(std::int64_t user, nlohmann::json message, std::int64_t id = 0);
  void send(const nlohmann::json& frame);
  void send_raw(std::string text);

  /// The actions received, in order, over all connections.
  std::vector<nlohmann::json> actions() const;
  /// Those that send messages, as plain text: mentions and quotes left out.
  std::vector<std::string> said() const;
  /// Waits until there are so many sent messages; false when the limit is over.
  bool wait_said(std::size_t count, std::chrono::milliseconds limit);
  /// Waits for an action that fits; nothing when the limit is over.
  std::optional<nlohmann::json> wait_action(const std::function<bool(const nlohmann::json&)>& fits,
                                            std::chrono::milliseconds limit);

private:
  struct impl;
  std::unique_ptr<impl> impl_;
};

/// The text of a message in array or string form, without anything else in it.
std::string onebot_text(const nlohmann::json& message);

} // namespace troupe::test
