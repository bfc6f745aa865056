// A turn's events as an answer: one by one as server-sent events, or all in one piece.
#pragma once

#include "gateway/api/api_options.hpp"
#include "gateway/api/turn_feed.hpp"
#include "gateway/api/turn_reading.hpp"

#include <nlohmann/json_fwd.hpp>

#include <memory>
#include <string>

namespace troupe::gateway {

/// One turn as one request reads it; subscribed already.
struct turn_read {
  std::shared_ptr<turn_feed> feed;
  turn_reading reading;
  std::unique_ptr<v1::TurnAccepted> accepted; // of a message that was posted
};

nlohmann::json to_json(const v1::TurnAccepted& accepted);

/// Answers with the turn's events until it ends or pauses, or the client leaves or is too slow. The
/// turn goes on then. That it was accepted comes first, if it was posted.
void send_events(const api_request& r, turn_read read);

/// Waits for the end or pause of a turn that was posted and answers with all of it.
asio::awaitable<void> send_whole(const api_request& r, turn_read& read);

} // namespace troupe::gateway
