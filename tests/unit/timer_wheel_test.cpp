// The timer wheel of an I/O shard.
#include "gateway/server/timer_wheel.hpp"

#include <doctest/doctest.h>

#include <functional>
#include <memory>
#include <random>
#include <vector>

using namespace troupe::gateway;

namespace {

struct probe_timer final : timer {
  std::function<void()> action;
  int fired = 0;
  void expired() override {
    ++fired;
    if (action)
      action();
  }
};

} // namespace

TEST_CASE("a timer fires once, not before it is due and at most one tick late") {
  timer_wheel wheel{0};
  probe_timer t;
  wheel.set(t, 100'000);
  wheel.advance(99'999);
  CHECK(t.fired == 0);
  wheel.advance(100'000 + timer_wheel::tick_us);
  CHECK(t.fired == 1);
  CHECK(!t.set());
  wheel.advance(10'000'000);
  CHECK(t.fired == 1);
}

TEST_CASE("a timer farther away than the wheel is round waits for its turn") {
  timer_wheel wheel{0};
  probe_timer t;
  wheel.set(t, 60'000'000);
  for (std::int64_t now = 0; now < 60'000'000; now += 50'000)
    wheel.advance(now);
  CHECK(t.fired == 0);
  wheel.advance(60'000'000 + timer_wheel::tick_us);
  CHECK(t.fired == 1);
}

TEST_CASE("a cancelled or destroyed timer does not fire, and a moved one fires at its new time") {
  timer_wheel wheel{0};
  probe_timer cancelled;
  probe_timer moved;
  {
    probe_timer gone;
    wheel.set(gone, 20'000);
  }
  wheel.set(cancelled, 20'000);
  wheel.set(moved, 20'000);
  wheel.set(moved, 500'000);
  cancelled.cancel();
  wheel.advance(100'000);
  CHECK(cancelled.fired == 0);
  CHECK(moved.fired == 0);
  wheel.advance(600'000);
  CHECK(moved.fired == 1);
}

TEST_CASE("a timer may set itself again and cancel others while it fires") {
  timer_wheel wheel{0};
  probe_timer again;
  probe_timer victim;
  again.action = [&] {
    victim.cancel();
    if (again.fired < 3)
      wheel.set(again, 0);
  };
  wheel.set(again, 16'000);
  wheel.set(victim, 16'000);
  wheel.advance(40'000);
  CHECK(again.fired == 1);
  CHECK(victim.fired == 0);
  wheel.advance(50'000);
  wheel.advance(60'000);
  wheel.advance(70'000);
  CHECK(again.fired == 3);
}

TEST_CASE("after a long sleep everything due fires, and nothing else") {
  timer_wheel wheel{0};
  std::vector<std::unique_ptr<probe_timer>> all;
  std::mt19937 random{7};
  std::vector<std::int64_t> due;
  for (int i = 0; i < 500; ++i) {
    due.push_back(static_cast<std::int64_t>(random() % 100'000'000));
    all.push_back(std::make_unique<probe_timer>());
    wheel.set(*all.back(), due.back());
  }
  std::int64_t now = 50'000'000;
  wheel.advance(now);
  for (std::size_t i = 0; i < all.size(); ++i) {
    if (due[i] <= now - timer_wheel::tick_us)
      CHECK(all[i]->fired == 1);
    if (due[i] > now)
      CHECK(all[i]->fired == 0);
  }
}

TEST_CASE("following next_us fires every timer in time") {
  timer_wheel wheel{0};
  CHECK(!wheel.next_us());
  std::vector<std::unique_ptr<probe_timer>> all;
  std::mt19937 random{11};
  std::int64_t now = 0;
  int late = 0;
  for (int i = 0; i < 200; ++i) {
    auto due = static_cast<std::int64_t>(random() % 40'000'000);
    auto& t = *all.emplace_back(std::make_unique<probe_timer>());
    t.action = [&late, &now, due] { late += now < due || now >= due + timer_wheel::tick_us; };
    wheel.set(t, due);
  }
  while (auto next = wheel.next_us()) {
    now = *next;
    wheel.advance(now);
  }
  CHECK(late == 0);
  for (auto& t : all)
    CHECK(t->fired == 1);
}
