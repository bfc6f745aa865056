// Streamed answers over a connection.
#pragma once

#include "gateway/server/connection.hpp"
#include "gateway/server/exchange.hpp"

#include <optional>

namespace troupe::gateway {

class request_exchange;

/// `length`: as the answer's head says it. Not chunked and no length: the connection's end ends it.
std::unique_ptr<body_stream> make_body_stream(connection& c, request_exchange& x,
                                              std::optional<std::uint64_t> length, bool chunked);

/// Keeps the connection and the source while it lives.
std::unique_ptr<event_stream> make_event_stream(connection& c, request_exchange& x, bool chunked,
                                                std::shared_ptr<event_source> source);

/// An event in the form of text/event-stream.
void append_event(std::string& out, std::string_view event, std::string_view data,
                  std::string_view id);

} // namespace troupe::gateway
