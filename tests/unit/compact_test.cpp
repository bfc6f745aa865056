// What is kept small while nobody needs it: strings, messages, the events of a turn.
#include "actors/session/event_log.hpp"
#include "messages/kept_message.hpp"
#include "messages/thin_string.hpp"
#include "troupe/v1/conversation.pb.h"

#include <doctest/doctest.h>

using namespace troupe;

TEST_CASE("a thin string is the text it was given") {
  thin_string empty;
  CHECK(empty.empty());
  CHECK(empty == "");
  CHECK(sizeof empty == sizeof(void*));
  thin_string one{std::string(300, 'x')};
  auto two = one;
  one = "other";
  CHECK(one == "other");
  CHECK(two.view() == std::string(300, 'x'));
  one = two;
  CHECK(one == two);
  auto& same = one;
  one = same;
  CHECK(one == two);
  thin_string moved{std::move(one)};
  CHECK(moved == two);
  moved = std::string_view{"a\0b", 3};
  CHECK(moved.str().size() == 3);
  moved = moved.view().substr(1); // of its own bytes
  CHECK(moved == std::string_view{"\0b", 2});
  moved = "";
  CHECK(moved.empty());
}

TEST_CASE("a packed message is the same when it is used again") {
  v1::Turn turn;
  turn.set_id("t");
  turn.set_attempts(3);
  kept_message<v1::Turn> kept{turn};
  CHECK(kept.copy().attempts() == 3);
  kept.pack();
  kept.pack();
  CHECK(kept.copy().attempts() == 3);
  CHECK(kept->id() == "t");
  CHECK((*kept).attempts() == 3);
  kept->set_attempts(4);
  kept.pack();
  const auto& same = kept;
  CHECK(same->attempts() == 4);
}

namespace {

v1::TurnEvent delta(const std::string& text) {
  v1::TurnEvent event;
  event.mutable_delta()->set_text(text);
  return event;
}

} // namespace

TEST_CASE("the log of a turn gives back its events, and the text said since one of them") {
  event_log log{2};
  auto first = log.last_seq();
  CHECK(first == std::int64_t{1} << 32);
  CHECK(log.text(first).empty());
  v1::TurnEvent started;
  started.mutable_started()->set_model("m");
  log.add(started);
  auto a = delta("one ");
  log.add(a);
  v1::TurnEvent thought;
  thought.mutable_delta()->set_reasoning("hm");
  log.add(thought);
  auto b = delta(std::string(70'000, 'x')); // a length of three bytes
  log.add(b);
  auto c = delta("");
  log.add(c);
  CHECK(log.last_seq() == first + 5);
  CHECK(log.text(first) == "one " + std::string(70'000, 'x'));
  CHECK(log.text(first + 2) == std::string(70'000, 'x'));
  CHECK(log.text(first + 5).empty());

  auto batches = log.replay(0, 32'768);
  std::vector<v1::TurnEvent> all;
  for (const auto& batch : batches)
    all.insert(all.end(), batch.events().begin(), batch.events().end());
  REQUIRE(all.size() >= 4);
  CHECK(all[0].started().model() == "m");
  CHECK(all[1].delta().text() == "one ");
  CHECK(all[2].delta().reasoning() == "hm");
  CHECK(all[3].delta().text().size() == 70'000);
  CHECK(all.back().seq() == first + 5);

  auto rest = log.replay(first + 3, 32'768);
  REQUIRE(!rest.empty());
  CHECK(rest[0].events(0).seq() >= first + 4);
  CHECK(log.replay(first + 5, 32'768).empty());
  // A reader ahead of the log gets all of it.
  CHECK(log.replay(first + 6, 32'768).size() == batches.size());
}

TEST_CASE("deltas are joined only as far as a batch goes") {
  event_log log;
  for (int i = 0; i < 100; ++i) {
    auto event = delta("0123456789");
    log.add(event);
  }
  auto batches = log.replay(10, 100);
  CHECK(batches.size() == 9);
  CHECK(batches[0].events(0).delta().text().size() == 100);
  CHECK(batches[0].events(0).seq() == 20);
  CHECK(batches.back().events(0).seq() == 100);
  log.start(3);
  CHECK(log.bytes() == 0);
  CHECK(log.last_seq() == std::int64_t{2} << 32);
}
