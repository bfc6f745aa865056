// Stand-ins for what channels talk to: a region, the store's outbox, a socket, a channel, an
// outbox. Each is an actor over a struct that the test reads and sets.
#pragma once

#include "messages/interfaces.hpp"

#include <caf/actor_system.hpp>
#include <caf/error.hpp>
#include <caf/typed_response_promise.hpp>

#include <deque>
#include <map>
#include <memory>
#include <string>
#include <vector>

namespace troupe::test {

/// Takes messages as a region does: a dedupe key seen before gives the first turn.
struct region_script {
  std::vector<v1::PostMessage> posts; // accepted ones, without duplicates
  std::vector<v1::StopTurn> stops;
  std::map<std::string, v1::Conversation> conversations;
  std::map<std::string, v1::TurnAccepted> seen; // by dedupe key
  std::deque<caf::error> failures;              // of the next posts
  std::deque<caf::error> list_failures;         // of the next look-ups
  std::size_t requests = 0;
  bool silent = false; // posts are not answered
  v1::TurnStatus stop_status = v1::TURN_STATUS_STOPPED;
  std::vector<caf::typed_response_promise<TurnAccepted>> unanswered;
};
session_region_actor spawn_region(caf::actor_system& system, std::shared_ptr<region_script> script);

/// The outbox table; other commands are `unsupported`.
struct outbox_table {
  std::map<std::string, v1::OutboxRow> rows;
  std::vector<v1::SettleOutbox> settled;
  std::deque<caf::error> claim_failures;
  std::deque<caf::error> settle_failures;
  std::size_t claims = 0;

  v1::OutboxRow& add(const std::string& id, const v1::ReplyAddress& to, const std::string& text,
                     std::int64_t created_us);
  v1::OutboxStatus status(const std::string& id) const { return rows.at(id).status(); }
};
store_actor spawn_store(caf::actor_system& system, std::shared_ptr<outbox_table> table);

/// A channel that answers with the next outcome (empty: delivered), or, when told to hold, once a
/// Tick with the number of the row (0: the first that came) asks for it.
struct channel_script {
  std::vector<v1::OutboxRow> delivered; // in the order they came
  std::deque<caf::error> outcomes;
  bool hold = false;
  std::vector<caf::typed_response_promise<ReplyDelivered>> held;
};
with_timer<channel_actor> spawn_channel(caf::actor_system& system,
                                        std::shared_ptr<channel_script> script);

struct socket_script {
  std::vector<std::string> frames;
  std::vector<v1::CloseSocket> closes;
};
socket_actor spawn_socket(caf::actor_system& system, std::shared_ptr<socket_script> script);

struct outbox_script {
  std::vector<std::string> changes; // accounts, each with + or - when a channel came or went
};
outbox_actor spawn_outbox(caf::actor_system& system, std::shared_ptr<outbox_script> script);

v1::ReplyAddress chat_address(bool group, const std::string& chat, const std::string& user,
                              const std::string& account = "qq");

} // namespace troupe::test
