// Where a request of the operators' port ends, and whether it may be looked at at all. Stricter
// than cpp-httplib, which parses what passes here.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

namespace troupe::gateway::ops {

struct frame_limits {
  std::size_t header_bytes_max = 16'384;
  std::size_t headers_max = 64;
  std::size_t body_bytes_max = 65'536;
};

struct frame {
  enum class state { incomplete, complete, refused };
  state what = state::incomplete;
  std::size_t size = 0; // of a complete request, in bytes
  int status = 0;       // of a refusal
  std::string message;  // of a refusal: says what to do
};

/// Looks at what came so far of one request. Refuses bare line feeds, folded and nameless fields,
/// Transfer-Encoding, doubled or malformed Content-Length, Range, and what is over the limits.
frame inspect(std::string_view bytes, const frame_limits& limits);

} // namespace troupe::gateway::ops
