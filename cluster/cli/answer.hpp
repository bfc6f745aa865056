// Posting to a conversation and reading the answer as it is made, over broken connections.
#pragma once

#include "cluster/cli/client.hpp"
#include "cluster/cli/interrupt.hpp"

#include <nlohmann/json.hpp>

#include <functional>
#include <string>
#include <string_view>

namespace troupe::cli {

/// Where an answer goes while it is made. Called on another thread, one call at a time; the caller
/// of `read_answer` waits meanwhile.
struct answer_sink {
  std::function<void(std::string_view)> text;
  std::function<void(std::string_view)> reasoning;
  std::function<void()> restarted; // what came is void: the answer begins anew
};

struct answer {
  std::string turn_id;
  std::string status; // finished, stopped, failed, awaiting_tools; left: the reader went away
  std::string text;
  nlohmann::json message; // the last message of the turn; null: none
  nlohmann::json usage;   // null: not told
  nlohmann::json error;   // null: none
};

/// Follows the events of a turn. Pure.
class answer_events {
public:
  explicit answer_events(answer_sink sink) : sink_(std::move(sink)) {}

  /// False at the last event.
  bool take(std::string_view name, std::string_view data, std::string_view id);

  const std::string& turn_id() const { return result_.turn_id; }
  const std::string& last_id() const { return last_id_; }
  bool ended() const { return ended_; }
  answer& result() { return result_; }

private:
  void take_json(std::string_view name, const nlohmann::json& value);

  answer_sink sink_;
  answer result_;
  std::string last_id_;
  bool ended_ = false;
};

/// Posts `body` to a conversation and reads the answer. A connection that breaks is taken up again
/// where it broke, five times at most. Ctrl-C stops the turn; a second one leaves it alone. Throws
/// `failure` when the message was refused or the node is gone.
answer read_answer(const node_address& node, const std::string& conversation_id,
                   const nlohmann::json& body, answer_sink sink, interrupt_guard* interrupts);

} // namespace troupe::cli
