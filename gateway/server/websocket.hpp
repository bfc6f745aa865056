// WebSockets: from the upgrade to the last frame.
#pragma once

#include "gateway/server/connection.hpp"
#include "gateway/server/request_exchange.hpp"

namespace troupe::gateway {

/// Asks the handler whether to accept, and if so takes the connection's socket and runs the
/// WebSocket until its end, after which nothing of the connection is left: true. False: refused,
/// and answered. `early`: bytes that came behind the request, which must be none.
asio::awaitable<bool> serve_websocket(connection& c, request_exchange& x,
                                      const socket_handler& handle, std::string_view early);

} // namespace troupe::gateway
