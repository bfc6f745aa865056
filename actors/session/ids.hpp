// Ids that follow from others, so that what is done twice is named the same both times.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace troupe {

/// The conversation of a channel's session key (channel:account:chat:user): the UUIDv5 of the key
/// in a namespace of Troupe's own. The same key is the same conversation on every node and after
/// every restart, without a look-up; different keys differ as SHA-1 differs.
std::string conversation_id_of(std::string_view session_key);

/// The numbers by which a turn's own things are derived from its id. Step n's assistant message
/// that asks for tools is `step(n)`, the results are `step(n) + 1` and on; the message that ends
/// the turn is `final_reply`; the pieces of the answer for a channel are `outbox_row` and on.
namespace derived {
constexpr std::uint32_t step(std::int32_t n) { return static_cast<std::uint32_t>(n) * 128; }
inline constexpr std::uint32_t final_reply = 1'000'000;
inline constexpr std::uint32_t outbox_row = 2'000'000;
} // namespace derived

/// A UUIDv7 that follows from another one and a number: the same time, sorted after it, and the
/// same each time it is made. Of a text that is no UUID: the text with the number appended.
std::string derived_id(std::string_view id, std::uint32_t number);

} // namespace troupe
