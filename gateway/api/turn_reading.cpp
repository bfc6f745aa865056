#include "gateway/api/turn_reading.hpp"

#include "gateway/api/conversation_json.hpp"

#include <algorithm>

namespace troupe::gateway {

namespace {

bool calls_tools(const v1::Message& message) {
  return message.role() == v1::ROLE_ASSISTANT
         && std::any_of(message.parts().begin(), message.parts().end(),
                        [](const v1::Part& part) { return part.has_tool_call(); });
}

} // namespace

bool turn_reading::take(const v1::TurnEvent& event) {
  last_seq_ = event.seq();
  ended_ = ends_turn(event);
  pause_seq_ = 0;
  if (!after_message_.empty() && !ended_) {
    if (event.has_message() && event.message().message().id() == after_message_)
      after_message_.clear();
    return false;
  }
  if (event.has_message() && calls_tools(event.message().message())) {
    pause_seq_ = event.seq();
    calling_ = event.message().message();
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
