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
  auto message = onebot11::parse_cq(text);
  require(onebot11::parse_cq(onebot11::to_cq(message)) == message);
  require(onebot11::unescape(onebot11::escape_value(text)) == text);
  require(onebot11::unescape(onebot11::escape_text(text)) == text);

  auto frame = onebot11::parse_frame(text);
  if (const auto* event = std::get_if<onebot11::message_event>(&frame)) {
    auto inbound = onebot11::inbound_message(*event, "1", "account");
    require(inbound.IsInitialized() && !inbound.SerializeAsString().empty());
    require(channels::session_key(inbound.from(), channels::group_sessions::member).size() <= 255);
    require(channels::dedupe_key(inbound).size() <= 255);
    auto answer = onebot11::reply_segments(inbound.from(), "text", true);
    auto action = onebot11::send_action(inbound.from(), answer, "1");
    require(std::holds_alternative<onebot11::action_answer>(onebot11::parse_frame(action)));
  }

  std::size_t limit = size == 0 ? 1 : 1 + data[0] % 100;
  for (const auto& piece : channels::split_answer(text, limit))
    require(channels::code_points(piece) <= limit);
  return 0;
}
