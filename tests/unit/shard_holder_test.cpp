// What a node does with its shards, from view to view.
#include "cluster/sharding/shard_holder.hpp"

#include <doctest/doctest.h>

#include <fmt/format.h>

using namespace troupe;
using kind = shard_change::kind;

namespace {

constexpr std::int64_t ms = 1'000;

/// A view with nodes a and b, as incarnations 1 and 5.
struct tables {
  tables() {
    for (const auto& [name, incarnation] : {std::pair{"a", 1}, {"b", 5}}) {
      auto& node = *view.add_nodes();
      node.set_name(name);
      node.set_incarnation(incarnation);
      node.set_state(v1::NODE_STATE_UP);
    }
    for (int i = 0; i < 4; ++i) {
      auto& shard = *view.add_shards();
      shard.set_id(i);
      give(i, "a", 1, 1);
    }
  }
  void give(int shard, const std::string& owner, std::int64_t incarnation, std::int64_t epoch) {
    auto& row = *view.mutable_shards(shard);
    row.set_owner(owner);
    row.set_incarnation(incarnation);
    row.set_epoch(epoch);
    row.clear_target();
    view.set_version(view.version() + 1);
  }
  void aim(int shard, const std::string& target) {
    view.mutable_shards(shard)->set_target(target);
    view.set_version(view.version() + 1);
  }
  v1::ClusterView view;
};

struct fixture {
  std::string apply(std::int64_t incarnation = 1) {
    return told(holder.apply(there.view, "a", incarnation, now));
  }
  static std::string told(const std::vector<shard_change>& changes) {
    static const char* names[] = {"open", "leave", "stay", "freeze", "hand", "close", "release"};
    std::string out;
    for (const auto& x : changes) {
      out += fmt::format("{}{} {}@{}", out.empty() ? "" : ", ", names[static_cast<int>(x.what)],
                         x.shard, x.epoch);
      if (x.what == kind::hand)
        out += fmt::format(" to {}/{}", x.target, x.target_incarnation);
    }
    return out;
  }
  tables there;
  shard_holder holder{{}};
  std::int64_t now = 0;
};

} // namespace

TEST_CASE_FIXTURE(fixture, "a node serves the shards that the table gives it, under their epochs") {
  there.give(2, "b", 5, 3);
  there.give(3, "a", 1, 9);
  CHECK(apply() == "open 0@1, open 1@1, open 3@9");
  CHECK(holder.count() == 3);
  CHECK(holder.moving() == 0);
  CHECK(holder.serves(3, 9));
  CHECK(!holder.serves(3, 8));
  CHECK(!holder.serves(3, 0));
  CHECK(!holder.serves(2, 3));
  CHECK(!holder.serves(-1, 1));
  CHECK(!holder.serves(4, 0));
  CHECK(holder.epoch(3) == 9);
  CHECK(holder.epoch(2) == 0);
  CHECK(holder.phase(0) == shard_phase::owned);
  CHECK(holder.phase(2) == shard_phase::absent);
  CHECK(holder.phase(1'000) == shard_phase::absent);
  CHECK(apply().empty());
}

TEST_CASE_FIXTURE(fixture, "shards of another incarnation of this node are not its own") {
  CHECK(apply(2).empty());
  CHECK(holder.count() == 0);
}

TEST_CASE_FIXTURE(fixture, "a shard leaves in order: leave, freeze, hand, release") {
  apply();
  there.aim(0, "b");
  CHECK(apply() == "leave 0@1");
  CHECK(holder.serves(0, 1));
  CHECK(holder.moving() == 1);
  CHECK(apply().empty());
  CHECK(told(holder.quiet(0, now)) == "freeze 0@1");
  CHECK(!holder.serves(0, 1));
  CHECK(holder.epoch(0) == 1);
  CHECK(told(holder.quiet(0, now)).empty());
  CHECK(told(holder.emptied(0, now)) == "hand 0@1 to b/5");
  CHECK(told(holder.emptied(0, now)).empty());
  CHECK(holder.phase(0) == shard_phase::handing);
  there.give(0, "b", 5, 2);
  CHECK(apply() == "release 0@1");
  CHECK(holder.moving() == 0);
  CHECK(holder.count() == 3);
}

TEST_CASE_FIXTURE(fixture, "what does not come to rest is frozen when its time is up") {
  apply();
  there.aim(0, "b");
  apply();
  now += 4'999 * ms;
  CHECK(told(holder.tick(now)).empty());
  now += 1 * ms;
  CHECK(told(holder.tick(now)) == "freeze 0@1");
  now += 60'000 * ms;
  CHECK(told(holder.tick(now)).empty()); // its sessions have their own limit
}

TEST_CASE_FIXTURE(fixture, "only a few are frozen at a time, and a place that is free is used") {
  holder = shard_holder{{5'000, 2}};
  apply();
  for (int i = 0; i < 4; ++i)
    there.aim(i, "b");
  CHECK(apply() == "leave 0@1, leave 1@1, leave 2@1, leave 3@1");
  CHECK(told(holder.quiet(0, now)) == "freeze 0@1");
  CHECK(told(holder.quiet(1, now)) == "freeze 1@1");
  CHECK(told(holder.quiet(2, now)).empty());
  CHECK(holder.serves(2, 1));
  now += 5'000 * ms;
  CHECK(told(holder.tick(now)).empty());
  holder.emptied(1, now);
  CHECK(told(holder.tick(now)).empty()); // handing counts
  there.give(1, "b", 5, 2);
  CHECK(apply() == "release 1@1");
  CHECK(told(holder.tick(now)) == "freeze 2@1");
}

TEST_CASE_FIXTURE(fixture, "a move that is taken back before the freeze changes nothing") {
  apply();
  there.aim(0, "b");
  apply();
  there.aim(0, "");
  CHECK(apply() == "stay 0@1");
  CHECK(holder.serves(0, 1));
  CHECK(told(holder.quiet(0, now)).empty());
  now += 5'000 * ms;
  CHECK(told(holder.tick(now)).empty());
}

TEST_CASE_FIXTURE(fixture, "after the freeze a shard comes back only under a new epoch") {
  apply();
  there.aim(0, "b");
  apply();
  holder.quiet(0, now);
  there.aim(0, "");
  CHECK(apply().empty());
  CHECK(!holder.serves(0, 1));
  CHECK(told(holder.emptied(0, now)) == "hand 0@1 to a/1");
  there.give(0, "a", 1, 2);
  CHECK(apply() == "open 0@2");
  CHECK(holder.serves(0, 2));
  CHECK(!holder.serves(0, 1));
  CHECK(holder.moving() == 0);
}

TEST_CASE_FIXTURE(fixture, "a shard that is being handed over follows its target") {
  apply();
  there.aim(0, "b");
  apply();
  holder.quiet(0, now);
  holder.emptied(0, now);
  there.view.mutable_nodes(1)->set_incarnation(6); // b was started again
  there.view.set_version(there.view.version() + 1);
  CHECK(apply() == "hand 0@1 to b/6");
  CHECK(apply().empty());
  there.aim(0, "");
  CHECK(apply() == "hand 0@1 to a/1");
  there.aim(0, "b");
  CHECK(apply() == "hand 0@1 to b/6");
}

TEST_CASE_FIXTURE(fixture, "a shard that was not handed over is handed over again") {
  apply();
  there.aim(0, "b");
  apply();
  holder.quiet(0, now);
  holder.emptied(0, now);
  CHECK(told(holder.tick(now)).empty());
  holder.hand_failed(0);
  CHECK(told(holder.tick(now)) == "hand 0@1 to b/5");
  CHECK(told(holder.tick(now)).empty());
  now += 999 * ms;
  CHECK(told(holder.tick(now)).empty());
  now += 1 * ms; // no answer came at all
  CHECK(told(holder.tick(now)) == "hand 0@1 to b/5");
  holder.hand_failed(1); // is not on its way
  holder.hand_failed(-1);
  CHECK(told(holder.tick(now)).empty());
}

TEST_CASE_FIXTURE(fixture, "a shard that is lost closes at once, in whatever phase") {
  apply();
  there.aim(1, "b");
  there.aim(2, "b");
  apply();
  holder.quiet(2, now);
  for (int i = 0; i < 3; ++i)
    there.give(i, "b", 5, 2);
  CHECK(apply() == "close 0@1, close 1@1, close 2@1");
  CHECK(holder.count() == 1);
  CHECK(holder.moving() == 0);
  CHECK(told(holder.emptied(2, now)).empty()); // the freeze ended late
}

TEST_CASE_FIXTURE(fixture, "a shard that came back under another epoch is opened anew") {
  apply();
  there.give(0, "a", 1, 7);
  there.aim(0, "b");
  CHECK(apply() == "close 0@1, open 0@7, leave 0@7");
  CHECK(holder.serves(0, 7));
}

TEST_CASE_FIXTURE(fixture, "an older view after a newer one changes nothing") {
  auto before = there.view;
  there.give(0, "b", 5, 2);
  apply();
  CHECK(told(holder.apply(before, "a", 1, now)).empty());
  CHECK(holder.phase(0) == shard_phase::absent);
}

TEST_CASE_FIXTURE(fixture, "a view without shards changes nothing") {
  apply();
  there.view.clear_shards();
  there.view.set_version(there.view.version() + 1);
  CHECK(apply().empty());
  CHECK(holder.count() == 4);
}

TEST_CASE_FIXTURE(fixture, "a fence closes everything, and no view of before opens it again") {
  apply();
  there.aim(0, "b");
  apply();
  holder.quiet(0, now);
  auto late = there.view;
  late.set_version(late.version() + 1);
  CHECK(holder.incarnation() == 1);
  CHECK(told(holder.fence()) == "close 0@1, close 1@1, close 2@1, close 3@1");
  CHECK(holder.incarnation() == 0);
  CHECK(holder.count() == 0);
  CHECK(holder.moving() == 0);
  CHECK(told(holder.fence()).empty());
  CHECK(told(holder.apply(late, "a", 1, now)).empty());
  there.view.mutable_nodes(0)->set_incarnation(2);
  there.give(1, "a", 2, 2);
  CHECK(apply(2) == "open 1@2");
  CHECK(holder.incarnation() == 2);
}

TEST_CASE_FIXTURE(fixture, "a target that is this node itself is none") {
  apply();
  there.aim(0, "a");
  CHECK(apply().empty());
  CHECK(holder.serves(0, 1));
}
