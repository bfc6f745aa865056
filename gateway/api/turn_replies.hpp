// A turn's events as an answer: one by one as server-sent events, or all in one piece.
#pragma once

#include "gateway/api/api_options.hpp"
#include "gateway/api/turn_feed.hpp"
#include "gateway/api/turn_reading.hpp"

#include <nlohmann/json_fwd.hpp>

#include <memory>
#include <optional>
#include <string>

namespace troupe::gateway {

/// One turn as one request reads it; subscribed already.
struct turn_read {
  std::shared_ptr<turn_feed> feed;
  std::string conversation_id;
  std::string turn_id;
  turn_reading reading;
};

nlohmann::json to_json(const v1::TurnAccepted& accepted);

/// Sends the turn's events until it ends or pauses, or the client leaves or is too slow. The turn
/// goes on then. `accepted` comes first, if it is there.
asio::awaitable<void> send_events(api_request r, turn_read read,
                                  std::optional<v1::TurnAccepted> accepted);

/// Waits for the turn's end or pause and answers with all of it.
asio::awaitable<void> send_whole(api_request r, turn_read read, v1::TurnAccepted accepted);

} // namespace troupe::gateway
