// A message on its way in, until it is durable. Included by the session's own files only.
#pragma once

#include "actors/session/session.hpp"

namespace troupe {

struct session_state::draft {
  v1::PostMessage post;
  owed<TurnAccepted> answer;
  std::string parent_id;                 // of the message to be stored
  std::unique_ptr<v1::Message> question; // the user's message that the turn answers
  std::unique_ptr<open_turn> turn;
};

} // namespace troupe
