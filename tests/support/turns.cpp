#include "tests/support/turns.hpp"

#include "messages/id.hpp"

namespace troupe::test {

v1::AcceptTurn new_turn(const std::string& conversation_id, const std::string& text,
                        const std::string& dedupe_key, const std::string& parent) {
  v1::AcceptTurn out;
  auto& message = *out.add_messages();
  message.set_id(new_id());
  message.set_parent_id(parent);
  message.set_role(v1::ROLE_USER);
  message.set_status(v1::MESSAGE_STATUS_COMPLETE);
  message.add_parts()->mutable_text()->set_text(text);
  auto& turn = *out.mutable_turn();
  turn.set_id(new_id());
  turn.set_conversation_id(conversation_id);
  turn.set_message_id(message.id());
  turn.set_status(v1::TURN_STATUS_RUNNING);
  out.set_leaf_id(message.id());
  out.set_dedupe_key(dedupe_key);
  out.mutable_create_if_missing()->set_title("made by a turn");
  return out;
}

v1::AdvanceTurn finish_turn(const v1::AcceptTurn& accepted, const std::string& reply) {
  v1::AdvanceTurn out;
  auto& message = *out.add_messages();
  message.set_id(new_id());
  message.set_parent_id(accepted.turn().message_id());
  message.set_role(v1::ROLE_ASSISTANT);
  message.set_status(v1::MESSAGE_STATUS_COMPLETE);
  message.add_parts()->mutable_text()->set_text(reply);
  *out.mutable_turn() = accepted.turn();
  out.mutable_turn()->set_status(v1::TURN_STATUS_FINISHED);
  out.mutable_turn()->set_step(1);
  out.mutable_turn()->set_reply_id(message.id());
  out.set_leaf_id(message.id());
  return out;
}

v1::OutboxRow outbox_row(const std::string& turn_id, const std::string& text, int part_index) {
  v1::OutboxRow out;
  out.set_id(new_id());
  out.set_turn_id(turn_id);
  out.mutable_to()->set_channel("onebot");
  out.mutable_to()->set_account("bot");
  out.mutable_to()->set_chat_id("42");
  out.add_parts()->mutable_text()->set_text(text);
  out.set_status(v1::OUTBOX_STATUS_PENDING);
  out.set_part_index(part_index);
  return out;
}

v1::UsageRecord usage_record(const std::string& request_id, const std::string& principal_id,
                             std::int64_t started_us, std::int64_t tokens) {
  v1::UsageRecord out;
  out.set_request_id(request_id);
  out.set_principal_id(principal_id);
  out.set_model("gpt-4o");
  out.set_deployment("main");
  out.set_upstream_model("gpt-4o-2024-11-20");
  out.set_operation("chat");
  out.mutable_usage()->set_prompt_tokens(tokens);
  out.mutable_usage()->set_completion_tokens(tokens * 2);
  out.mutable_usage()->set_total_tokens(tokens * 3);
  out.set_ending(v1::ENDING_FINISHED);
  out.set_http_status(200);
  out.set_started_us(started_us);
  out.set_total_us(1'000);
  return out;
}

} // namespace troupe::test
