#include "gateway/api/turn_reading.hpp"

#include "gateway/api/conversation_json.hpp"

#include <algorithm>

namespace troupe::gateway {

namespace {

template <class Wanted>
bool any_call(const v1::Message& message, Wanted wanted) {
  return message.role() == v1::ROLE_ASSISTANT
         && std::any_of(message.parts().begin(), message.parts().end(), [&](const v1::Part& part) {
              return part.has_tool_call() && wanted(part.tool_call());
            });
}

} // namespace

bool turn_reading::take(const v1::TurnEvent& event) {
  last_seq_ = event.seq();
  ended_ = ends_turn(event);
  paused_ = false;
  if (!after_call_.empty() && passes_over(event))
    return false;
  const auto& message = event.message().message();
  if (event.has_message() && any_call(message, [](const auto&) { return true; })) {
    paused_ = true;
    calling_ = std::make_unique<v1::Message>(message);
  }
  return true;
}

bool turn_reading::passes_over(const v1::TurnEvent& event) {
  const auto& message = event.message().message();
  bool first = !std::exchange(begun_, true);
  auto asked_here = [&](const v1::ToolCallPart& call) { return call.call_id() == after_call_; };
  if (event.has_message() && any_call(message, asked_here)) {
    after_call_.clear();
    return true;
  }
  // A turn that ran again, or is told from the store, has no trace of the calls before.
  if (ends_turn(event) || event.has_restarted() || (first && event.has_message())) {
    after_call_.clear();
    return false;
  }
  return true;
}

v1::TurnEvent pause_event(const turn_reading& reading) {
  v1::TurnEvent event;
  event.set_seq(reading.last_seq());
  auto& end = *event.mutable_finished();
  end.set_status(v1::TURN_STATUS_AWAITING_TOOLS);
  end.set_message_id(reading.calling_message().id());
  end.set_finish_reason(reading.calling_message().finish_reason());
  if (reading.calling_message().has_usage())
    *end.mutable_usage() = reading.calling_message().usage();
  return event;
}

} // namespace troupe::gateway
