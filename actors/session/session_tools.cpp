// The results of tools that a client ran: the turn that waits for them goes on.
#include "actors/session/draft.hpp"
#include "actors/session/gate.hpp"
#include "actors/session/ids.hpp"
#include "actors/session/window.hpp"

#include <set>

namespace troupe {

void session_state::post_results(const draft_ptr& x) {
  if (answered_before(x))
    return;
  auto& open = work().open;
  if (open.empty() || open.front()->phase != turn_phase::awaiting_tools) {
    refuse(x, make_error(ec::conflict, "no tool call waits for a result in this conversation"));
    return;
  }
  auto& turn = *open.front();
  if (auto err = check_results(turn, x->post)) {
    refuse(x, std::move(err));
    return;
  }
  auto messages = result_messages(turn, x->post);
  v1::AdvanceTurn command;
  *command.mutable_context() = x->post.context();
  *command.mutable_claim() = options_->claim;
  auto stored = *turn.turn;
  stored.set_status(v1::TURN_STATUS_RUNNING);
  if (!x->post.tools_json().empty())
    stored.set_tools_json(x->post.tools_json());
  stored.set_params_json(merge_params(stored.params_json(), x->post.params_json()));
  *command.mutable_turn() = stored;
  for (const auto& message : messages)
    *command.add_messages() = message;
  if (turn.moves_leaf)
    command.set_leaf_id(messages.back().id());
  auto serial = enter(turn, turn_phase::storing_results);
  request(options_->store, store_limit(), AdvanceTurn{std::move(command)})
      .then(
          [this, x, serial, messages, stored](const TurnStored&) {
            if (auto* turn = find(serial))
              *turn->turn = stored;
            results_stored(x, serial, messages);
          },
          [this, x, serial](const caf::error& err) {
            if (auto* turn = find(serial)) {
              enter(*turn, turn_phase::awaiting_tools);
              if (turn->ending)
                finish(*turn, *turn->ending);
            }
            refuse(x, err);
          });
}

// Sent again after it was taken: the same calls have their results already.
bool session_state::answered_before(const draft_ptr& x) {
  std::set<std::string> wanted;
  for (const auto& part : x->post.parts())
    wanted.insert(part.tool_result().call_id());
  for (auto i = history_.size(); i-- > 0;) {
    if (history_.role(i) != v1::ROLE_TOOL)
      continue;
    auto message = history_.at(i);
    if (message.parts().empty() || !wanted.contains(message.parts(0).tool_result().call_id()))
      continue;
    v1::TurnAccepted accepted;
    accepted.set_conversation_id(id_);
    accepted.set_turn_id(message.turn_id());
    accepted.set_message_id(message.id());
    accepted.set_duplicate(true);
    x->answer.give(std::move(accepted));
    release();
    return true;
  }
  return false;
}

caf::error session_state::check_results(const open_turn& turn, const v1::PostMessage& post) const {
  if (!post.parent_id().empty() && post.parent_id() != turn.tip)
    return make_error(ec::conflict, "the message named asks for no tool results now");
  std::set<std::string> open;
  for (const auto& call : tool_calls_of(history_.at(history_.size() - 1)))
    open.insert(call.call_id());
  for (const auto& part : post.parts())
    if (open.erase(part.tool_result().call_id()) == 0)
      return make_error(ec::invalid_argument,
                        "no open tool call has the id " + part.tool_result().call_id());
  if (!open.empty())
    return make_error(ec::invalid_argument, "a result is missing for the tool call " + *open.begin()
                                                + ": post the results of all open calls together");
  return {};
}

// One message a result, as models expect them.
std::vector<v1::Message> session_state::result_messages(const open_turn& turn,
                                                        const v1::PostMessage& post) {
  std::vector<v1::Message> messages;
  auto parent = turn.tip.str();
  for (const auto& part : post.parts()) {
    auto& message = messages.emplace_back();
    auto number =
        derived::step(turn.turn->step()) + 1 + static_cast<std::uint32_t>(messages.size());
    message.set_id(derived_id(turn.id.str(), number));
    message.set_conversation_id(id_);
    message.set_parent_id(parent);
    message.set_turn_id(turn.id.str());
    message.set_role(v1::ROLE_TOOL);
    *message.add_parts() = part;
    message.set_author(post.author());
    message.set_status(v1::MESSAGE_STATUS_COMPLETE);
    message.set_created_us(now_us());
    parent = message.id();
  }
  return messages;
}

void session_state::results_stored(const draft_ptr& x, std::int64_t serial,
                                   const std::vector<v1::Message>& messages) {
  v1::TurnAccepted accepted;
  accepted.set_conversation_id(id_);
  accepted.set_message_id(messages.back().id());
  accepted.set_turn_id(messages.back().turn_id());
  x->answer.give(std::move(accepted));
  if (auto* turn = find(serial)) {
    turn->tip = messages.back().id();
    for (const auto& message : messages)
      history_.append(message);
    count(*turn, turn_count::running);
    enter(*turn, turn_phase::awaiting_tools);
    if (turn->ending)
      finish(*turn, *turn->ending);
    else
      run_step(*turn);
  }
  release();
}

} // namespace troupe
