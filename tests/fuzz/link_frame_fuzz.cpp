// Frames of a link: no input crashes the reader, pieces change nothing, memory follows the input,
// and what is sent is read again.
#include "cluster/link/frame.hpp"
#include "cluster/link/hello.hpp"
#include "cluster/link/outbox.hpp"

#include <google/protobuf/stubs/logging.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string>

using namespace troupe;
using namespace troupe::link;

namespace {

constexpr std::size_t frame_bytes_max = 4'096;

void require(bool holds) {
  if (!holds)
    std::abort();
}

std::string cut(std::string_view bytes, std::size_t piece) {
  frame_reader reader{frame_bytes_max};
  std::string all;
  std::size_t arrived = 0;
  while (!bytes.empty()) {
    auto room = reader.room();
    require(!room.empty());
    auto n = std::min({piece, room.size(), bytes.size()});
    bytes.copy(room.data(), n);
    bytes.remove_prefix(n);
    reader.arrived(n);
    arrived += n;
    require(reader.capacity() <= 2 * arrived + 131'072);
    std::string_view frame;
    for (;;) {
      auto got = reader.next(frame);
      if (got == frame_reader::result::too_long)
        return all + "too long";
      if (got == frame_reader::result::more)
        break;
      require(frame.size() <= frame_bytes_max);
      all.append(frame).append("|");
    }
  }
  return all;
}

/// What the links do with one frame, without a link.
void take(std::string_view bytes) {
  v1::LinkFrame frame;
  if (!frame.ParseFromArray(bytes.data(), static_cast<int>(bytes.size())))
    return;
  refusal_of(frame.hello(), "cluster", "self", {{"peer", {7, false, ""}}}, true);
  outbox out{{100'000, frame_bytes_max, 1'000}, [] {}};
  out.granted(frame.credit().bytes());
  auto put = out.request(frame.request(), frame.request().id(), 1, 2);
  out.answer(1, frame.answer());
  out.events(3, frame.events().events());
  out.lost(4);
  out.granted(1'000'000);
  std::string sent;
  out.take(sent);
  if (put == outbox::result::put)
    require(!cut(sent, 13).empty());
}

} // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  // Texts that are no UTF-8 are told of at length.
  [[maybe_unused]] static auto* const before = google::protobuf::SetLogHandler(nullptr);
  if (size == 0)
    return 0;
  std::string_view bytes{reinterpret_cast<const char*>(data) + 1, size - 1};
  require(cut(bytes, bytes.size() + 1) == cut(bytes, 1u + data[0] % 17));
  take(bytes);
  return 0;
}
