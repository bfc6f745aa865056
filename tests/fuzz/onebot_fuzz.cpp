// Frames of a OneBot peer, and the string form of messages.
#include "actors/channels/core/address.hpp"
#include "actors/channels/core/pieces.hpp"
#include "actors/channels/onebot/normalise.hpp"

#include <cstdint>
#include <cstdlib>

using namespace troupe;

namespace {

void require(bool holds) {
  if (!holds)
    std::abort();
}

} // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  std::string_view text{reinterpret_cast<const char*>(data), size};
  auto message = onebot::parse_cq(text);
  require(onebot::parse_cq(onebot::to_cq(message)) == message);
  require(onebot::unescape(onebot::escape_value(text)) == text);
  require(onebot::unescape(onebot::escape_text(text)) == text);

  auto frame = onebot::parse_frame(text);
  if (const auto* event = std::get_if<onebot::message_event>(&frame)) {
    auto inbound = onebot::inbound_message(*event, "account");
    require(inbound.IsInitialized() && !inbound.SerializeAsString().empty());
    require(channels::session_key(inbound.from(), channels::group_sessions::member).size() <= 255);
    require(channels::dedupe_key(inbound).size() <= 255);
    auto answer = onebot::reply_segments(inbound.from(), "text", true);
    auto action = onebot::send_action(inbound.from(), answer, "1");
    require(std::holds_alternative<onebot::action_answer>(onebot::parse_frame(action)));
  }

  auto limit = size == 0 ? 1 : 1 + data[0] % 100;
  for (const auto& piece : channels::split_answer(text, limit))
    require(channels::code_points(piece) <= limit);
  return 0;
}
