// /ws/{channel}/{account}: WebSockets that platforms dial in with, as messages of their channel.
#pragma once

#include "gateway/server/router.hpp"
#include "messages/interfaces.hpp"

#include <functional>
#include <string_view>

namespace troupe::gateway {

/// The channel that serves an account; an empty handle if there is none. Called on any shard's
/// thread; the answer may change while the node runs.
using channel_lookup =
    std::function<channel_actor(std::string_view channel, std::string_view account)>;

/// Adds the route. A socket of an unknown account is refused with 404, one that the channel refuses
/// with its error's status. Frames reach the channel in their order, sent by the socket.
void add_channel_sockets(router& routes, channel_lookup lookup);

} // namespace troupe::gateway
