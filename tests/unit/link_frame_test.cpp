// Frames, and what of them may be sent.
#include "cluster/link/frame.hpp"
#include "cluster/link/outbox.hpp"

#include <doctest/doctest.h>

#include <limits>
#include <string>
#include <vector>

using namespace troupe;
using namespace troupe::link;

namespace {

/// Feeds it `piece` bytes at a time; the frames, and whether one was too long.
std::pair<std::vector<std::string>, bool> cut(std::string_view bytes, std::size_t piece,
                                              std::size_t frame_bytes_max) {
  frame_reader reader{frame_bytes_max};
  std::vector<std::string> out;
  while (!bytes.empty()) {
    auto room = reader.room();
    auto n = std::min({piece, room.size(), bytes.size()});
    bytes.copy(room.data(), n);
    bytes.remove_prefix(n);
    reader.arrived(n);
    std::string_view frame;
    for (;;) {
      auto got = reader.next(frame);
      if (got == frame_reader::result::too_long)
        return {out, true};
      if (got == frame_reader::result::more)
        break;
      out.emplace_back(frame);
    }
  }
  return {out, false};
}

v1::LinkFrame parsed(const std::string& bytes) {
  v1::LinkFrame frame;
  REQUIRE(frame.ParseFromString(bytes));
  return frame;
}

v1::RemoteRequest request_of(std::size_t bytes) {
  v1::RemoteRequest out;
  out.mutable_get()->set_conversation_id(std::string(bytes, 'x'));
  return out;
}

/// All frames that may be sent now.
std::vector<v1::LinkFrame> taken(outbox& from) {
  std::string bytes;
  from.take(bytes);
  std::vector<v1::LinkFrame> out;
  for (const auto& one : cut(bytes, bytes.size() + 1, 1'000'000).first)
    out.push_back(parsed(one));
  return out;
}

constexpr outbox_limits limits{10'000, 5'000, 4'000};

} // namespace

TEST_CASE("frames come out as they went in, whatever the pieces") {
  std::string bytes;
  for (std::size_t size : {0, 1, 100, 127, 128, 5'000, 70'000, 300'000, 3})
    append_frame(bytes, frame_kind::request, request_of(size));
  for (std::size_t piece : {1, 7, 4'096, 1'000'000}) {
    auto [frames, too_long] = cut(bytes, piece, 1'000'000);
    CHECK(!too_long);
    REQUIRE(frames.size() == 9);
    CHECK(parsed(frames[6]).request().get().conversation_id().size() == 70'000);
    CHECK(parsed(frames[8]).request().get().conversation_id() == "xxx");
  }
}

TEST_CASE("a frame that announces too much is seen by its header, and nothing is kept for it") {
  frame_reader reader{1'000};
  std::string_view header{"\x7f\xff\xff\xff", 4};
  header.copy(reader.room().data(), 4);
  reader.arrived(4);
  std::string_view frame;
  CHECK(reader.next(frame) == frame_reader::result::too_long);
  CHECK(reader.capacity() <= 8'192);
}

TEST_CASE("a reader's memory follows what arrived, not what was announced, and goes again") {
  constexpr std::size_t size = 30'000'000;
  frame_reader reader{size};
  std::string bytes;
  append_frame(bytes, frame_kind::request, request_of(size - 100));
  std::size_t at = 0;
  std::string_view frame;
  while (at < bytes.size()) {
    auto room = reader.room();
    auto n = std::min(room.size(), bytes.size() - at);
    bytes.copy(room.data(), n, at);
    at += n;
    reader.arrived(n);
    CHECK(reader.capacity() <= 2 * at + 8'192);
  }
  CHECK(reader.next(frame) == frame_reader::result::frame);
  CHECK(frame.size() == bytes.size() - 4);
  reader.room();
  CHECK(reader.capacity() <= 131'072);
}

TEST_CASE("a request travels under the id and limit of its link, not its own") {
  int woken = 0;
  outbox out{limits, [&] { ++woken; }};
  out.granted(1'000);
  auto request = request_of(3);
  request.set_id(1);
  request.set_limit_ms(1);
  CHECK(out.request(request, 77, 250, 6) == outbox::result::put);
  v1::RemoteAnswer answer;
  answer.set_id(1);
  answer.mutable_done();
  CHECK(out.answer(78, answer) == outbox::result::put);
  CHECK(woken == 1);
  auto frames = taken(out);
  REQUIRE(frames.size() == 2);
  CHECK(frames[0].request().id() == 77);
  CHECK(frames[0].request().limit_ms() == 250);
  CHECK(frames[0].request().subscription() == 6);
  CHECK(frames[0].request().get().conversation_id() == "xxx");
  CHECK(frames[1].answer().id() == 78);
  CHECK(frames[1].answer().has_done());
}

TEST_CASE("requests wait for a grant; beats and answers do not, and beats go first") {
  outbox out{limits, [] {}};
  out.granted(100);
  CHECK(out.request(request_of(200), 1, 1, 0) == outbox::result::put); // one may go beyond
  CHECK(out.request(request_of(200), 2, 1, 0) == outbox::result::put);
  CHECK(out.answer(9, v1::RemoteAnswer{}) == outbox::result::put);
  CHECK(out.beat(v1::LinkBeat{}) == outbox::result::put);
  auto frames = taken(out);
  REQUIRE(frames.size() == 3);
  CHECK(frames[0].has_beat());
  CHECK(frames[1].request().id() == 1);
  CHECK(frames[2].answer().id() == 9);
  CHECK(taken(out).empty());
  CHECK(out.queued_bytes() > 200);
  out.granted(10'000);
  frames = taken(out);
  REQUIRE(frames.size() == 1);
  CHECK(frames[0].request().id() == 2);
  CHECK(out.queued_bytes() == 0);
}

TEST_CASE("a full queue takes no more requests and events, and says that events were lost") {
  outbox out{limits, [] {}};
  int put = 0;
  while (out.request(request_of(1'000), 1, 1, 0) == outbox::result::put)
    ++put;
  CHECK(put == 9);
  v1::TurnEvents events;
  events.set_turn_id(std::string(1'000, 'x'));
  CHECK(out.events(5, events) == outbox::result::full);
  CHECK(events.turn_id().size() == 1'000);
  CHECK(out.lost(5) == outbox::result::put);
  out.granted(100'000);
  auto frames = taken(out);
  REQUIRE(frames.size() == 10);
  CHECK(frames[9].events().id() == 5);
  CHECK(frames[9].events().lost());
  CHECK(out.events(6, events) == outbox::result::put);
  CHECK(taken(out).at(0).events().events().turn_id().size() == 1'000);
}

TEST_CASE("frames too long, and those after the end, are not taken") {
  outbox out{limits, [] {}};
  CHECK(out.request(request_of(5'000), 1, 1, 0) == outbox::result::too_long);
  out.close();
  CHECK(out.request(request_of(1), 1, 1, 0) == outbox::result::closed);
  CHECK(out.beat(v1::LinkBeat{}) == outbox::result::closed);
}

TEST_CASE("what was handled is granted in pieces worth a frame, and nothing of it is forgotten") {
  outbox out{limits, [] {}};
  out.taken_in(3'000);
  out.handled(999);
  CHECK(taken(out).empty());
  CHECK(out.held_bytes() == 2'001);
  out.handled(1);
  auto frames = taken(out);
  REQUIRE(frames.size() == 1);
  CHECK(frames[0].credit().bytes() == 1'000);
  out.handled(2'000);
  CHECK(taken(out).at(0).credit().bytes() == 2'000);
  CHECK(out.held_bytes() == 0);
}

TEST_CASE("answers that pile up far beyond the queue's bound are noticed") {
  outbox out{limits, [] {}};
  v1::RemoteAnswer answer;
  answer.mutable_conversation()->set_id(std::string(1'000, 'x'));
  for (int i = 0; i < 20; ++i)
    CHECK(out.answer(1, answer) == outbox::result::put);
  CHECK(!out.overrun());
  for (int i = 0; i < 3; ++i)
    out.answer(1, answer);
  CHECK(out.overrun());
}

TEST_CASE("grants that make no sense do no harm") {
  outbox out{limits, [] {}};
  for (auto bytes :
       {std::numeric_limits<std::int64_t>::max(), std::int64_t{-1},
        std::numeric_limits<std::int64_t>::min(), std::numeric_limits<std::int64_t>::max()})
    out.granted(bytes);
  CHECK(out.request(request_of(1), 1, 1, 0) == outbox::result::put);
  CHECK(taken(out).size() == 1);
}
