// Which field of a request or an answer between nodes holds which message.
#pragma once

#include "messages/types.hpp"

namespace troupe {

inline void put(v1::RemoteRequest& to, const v1::PostMessage& x) { *to.mutable_post() = x; }
inline void put(v1::RemoteRequest& to, const v1::SubscribeTurn& x) { *to.mutable_subscribe() = x; }
inline void put(v1::RemoteRequest& to, const v1::UnsubscribeTurn& x) {
  *to.mutable_unsubscribe() = x;
}
inline void put(v1::RemoteRequest& to, const v1::StopTurn& x) { *to.mutable_stop() = x; }
inline void put(v1::RemoteRequest& to, const v1::ResumeTurn& x) { *to.mutable_resume() = x; }
inline void put(v1::RemoteRequest& to, const v1::UpdateConversation& x) {
  *to.mutable_update() = x;
}
inline void put(v1::RemoteRequest& to, const v1::DeleteConversation& x) {
  *to.mutable_remove() = x;
}

inline void put(v1::RemoteAnswer& to, const v1::Done& x) { *to.mutable_done() = x; }
inline void put(v1::RemoteAnswer& to, const v1::TurnAccepted& x) { *to.mutable_accepted() = x; }
inline void put(v1::RemoteAnswer& to, const v1::Turn& x) { *to.mutable_turn() = x; }
inline void put(v1::RemoteAnswer& to, const v1::Conversation& x) { *to.mutable_conversation() = x; }

/// False: the answer is something else, of a version that this one does not understand.
inline bool get(const v1::RemoteAnswer& from, v1::Done& x) {
  x = from.done();
  return from.has_done();
}
inline bool get(const v1::RemoteAnswer& from, v1::TurnAccepted& x) {
  x = from.accepted();
  return from.has_accepted();
}
inline bool get(const v1::RemoteAnswer& from, v1::Turn& x) {
  x = from.turn();
  return from.has_turn();
}
inline bool get(const v1::RemoteAnswer& from, v1::Conversation& x) {
  x = from.conversation();
  return from.has_conversation();
}

} // namespace troupe
