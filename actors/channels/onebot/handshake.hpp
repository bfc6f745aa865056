// Who dials in: what a OneBot peer's WebSocket handshake says. No CAF.
#pragma once

#include "messages/types.hpp"

#include <string>
#include <string_view>
#include <variant>

namespace troupe::onebot11 {

/// What a peer's socket is for. A peer has one universal socket, or one of each other kind.
enum class socket_role { universal, api, event };

std::string_view to_string(socket_role role) noexcept;

struct peer {
  std::string self_id; // the bot's QQ number
  socket_role role = socket_role::universal;
};

struct refusal {
  ec code = ec::none;
  std::string why;
};

/// Reads X-Self-ID, X-Client-Role (missing: universal) and the token (`Authorization: Bearer`, or
/// the query's access_token), which is compared in constant time. Without an access token only
/// peers of this machine are let in.
std::variant<peer, refusal> read_handshake(const v1::SocketOpened& opened,
                                           std::string_view access_token);

} // namespace troupe::onebot11
