// One node's part in the membership: whom it misses, and what it decides when it leads.
#include "tests/support/member_fixture.hpp"

#include <doctest/doctest.h>

using namespace troupe;
using namespace troupe::test;

// -- whom it misses -----------------------------------------------------------

TEST_CASE_FIXTURE(member_fixture,
                  "a peer that is not heard for a while is suspected, and no more once it is") {
  view.set_leader("b");
  pass(1'000);
  silent = "c";
  CHECK(pass(560).empty());
  CHECK(self.suspects(now).empty());
  CHECK(pass(60) == "report:c ");
  CHECK(self.suspects(now) == std::vector<std::string>{"c"});
  CHECK(pass(960).empty());
  CHECK(pass(60) == "report:c "); // again, while it lasts
  silent = {};
  CHECK(pass(400) == "report: ");
  CHECK(self.suspects(now).empty());
  CHECK(pass(2'000).empty());
}

TEST_CASE_FIXTURE(member_fixture,
                  "a peer that was never heard is missed from when it was seen in the tables") {
  pass(1'000);
  auto& node = *view.add_nodes();
  node = view.nodes(1);
  node.set_name("d");
  view.set_version(11);
  self.look_again();
  now += 20 * ms;
  REQUIRE(tick().renew);
  self.renewed(read(), now);
  auto since = now;
  for (; now < since + 580 * ms; now += 20 * ms) {
    for (const auto* name : {"b", "c"})
      self.heard(name, 1, now);
    tick();
    CHECK(self.suspects(now).empty());
  }
  now += 60 * ms;
  tick();
  CHECK(self.suspects(now) == std::vector<std::string>{"d"});
}

TEST_CASE_FIXTURE(member_fixture, "a lost link is missed sooner, unless it comes back") {
  pass(500);
  auto since = now;
  self.lost("c", 1, now);
  self.lost("b", 1, now);
  now += 100 * ms;
  tick();
  self.lost("c", 1, now); // said twice counts from the first
  self.heard("b", 1, now);
  self.lost("b", 0, now); // the link of an incarnation before
  now = since + 200 * ms;
  tick();
  CHECK(self.suspects(now) == std::vector<std::string>{"c"});
  now += 180 * ms;
  tick();
  CHECK(self.suspects(now) == std::vector<std::string>{"c"});
}

TEST_CASE_FIXTURE(member_fixture,
                  "a new incarnation is missed anew, and beats of the old one say nothing of it") {
  pass(1'000);
  node(1).set_incarnation(2);
  view.set_version(11);
  self.viewed(read());
  auto since = now;
  for (; now < since + 600 * ms; now += 20 * ms) {
    tick();
    self.heard("b", 1, now);
    self.heard("c", 1, now);
  }
  now += 20 * ms;
  tick();
  CHECK(self.suspects(now) == std::vector<std::string>{"b"});
  self.heard("b", 2, now);
  CHECK(self.suspects(now).empty());
}

TEST_CASE_FIXTURE(member_fixture, "who was away itself suspects nobody when it wakes") {
  pass(1'000);
  now += 3'000 * ms;
  CHECK(!tick().report);
  CHECK(self.suspects(now).empty());
  CHECK(pass(1'000).empty());
}

TEST_CASE_FIXTURE(member_fixture, "a peer that is heard but renews no more is missed") {
  pass(1'000);
  for (int i = 0; i < 2'400; i += 20) {
    silent = "c";
    CHECK(self.suspects(now).empty());
    pass(20);
    self.heard("c", 1, now);
    if (!self.suspects(now).empty())
      break;
  }
  CHECK(self.suspects(now) == std::vector<std::string>{"c"});
  auto ended_for = view.now_us() - node(2).lease_until_us();
  CHECK(ended_for >= 600 * ms);
  CHECK(ended_for <= 1'000 * ms);
}

TEST_CASE_FIXTURE(member_fixture, "nobody is missed for not renewing while the database was away") {
  pass(1'000);
  for (int i = 0; i < 3'000; i += 20) {
    now += 20 * ms;
    self.heard("b", 1, now);
    self.heard("c", 1, now);
    if (tick().renew)
      self.renew_failed(ec::store_unavailable, now);
  }
  CHECK(!self.may_serve(now));
  // It is the first to get through.
  auto& first = read();
  for (int i : {1, 2})
    node(i).set_lease_until_us(first.now_us() - 1'800 * ms);
  now += 20 * ms;
  self.renewed(first, now);
  auto wishes = tick();
  CHECK(!wishes.report);
  CHECK(wishes.declare.empty());
  CHECK(self.suspects(now).empty());
}

TEST_CASE_FIXTURE(member_fixture, "nor while it was away once more") {
  pass(1'000);
  auto& first = read();
  node(2).set_lease_until_us(first.now_us());
  self.renewed(first, now);
  for (int i = 0; i < 2'000; i += 20) { // no renewal is answered
    now += 20 * ms;
    self.heard("b", 1, now);
    self.heard("c", 1, now);
    tick();
    CHECK(self.suspects(now).empty());
  }
  auto& second = read();
  node(2).set_lease_until_us(second.now_us() - 2'000 * ms);
  self.renewed(second, now);
  tick();
  CHECK(self.suspects(now).empty());
}

TEST_CASE_FIXTURE(member_fixture, "a suspicion that stayed in the tables is taken back again") {
  pass(1'000);
  suspect("a", "c");
  CHECK(pass(400) == "report: ");
  suspect("a", "c"); // the tables did not do it
  CHECK(pass(1'400) == "report: ");
  CHECK(pass(3'000).empty());
}

// -- what it decides when it leads --------------------------------------------

TEST_CASE_FIXTURE(member_fixture,
                  "the leader declares dead who is past its lease and missed by two") {
  pass(1'000);
  silent = "c";
  auto since = now;
  auto seen = pass(900);
  CHECK(seen == "report:c ");
  seen = pass(600);
  CHECK(seen.find("declare") == std::string::npos); // it alone misses it
  suspect("b", "c");
  seen = pass(320);
  CHECK(seen.find("declare:c") != std::string::npos);
  CHECK(now - since < 2'000 * ms);
}

TEST_CASE_FIXTURE(member_fixture, "it declares nobody dead whose lease holds, though all miss it") {
  pass(1'000);
  silent = "c";
  pass(100);
  suspect("b", "c");
  silent = {};
  for (int i = 0; i < 3'000; i += 20) {
    now += 20 * ms;
    self.heard("b", 1, now);
    auto wishes = tick();
    if (wishes.renew)
      self.renewed(read(), now);
    CHECK(wishes.declare.empty());
  }
  CHECK(self.suspects(now) == std::vector<std::string>{"c"});
}

TEST_CASE_FIXTURE(member_fixture, "of two nodes one is enough") {
  node(1).set_state(v1::NODE_STATE_LEFT);
  view.set_version(11);
  self.viewed(read());
  pass(1'000);
  silent = "c";
  CHECK(pass(1'300).find("declare:c") != std::string::npos);
}

TEST_CASE_FIXTURE(member_fixture,
                  "suspicions of who is gone itself, or of another incarnation, do not count") {
  pass(1'000);
  silent = "c";
  pass(1'000);
  suspect("b", "c");
  SUBCASE("another incarnation") {
    view.mutable_suspicions(view.suspicions_size() - 1)->set_incarnation(3);
  }
  SUBCASE("one of a dead node") {
    auto& d = *view.add_nodes();
    d = node(1);
    d.set_name("d");
    d.set_state(v1::NODE_STATE_DEAD);
    view.mutable_suspicions(view.suspicions_size() - 1)->set_by("d");
  }
  CHECK(pass(900).find("declare") == std::string::npos);
}

TEST_CASE_FIXTURE(member_fixture,
                  "it looks when a missed lease is to end, and then again and again, "
                  "so that failing over takes little more") {
  pass(1'000);
  silent = "c";
  node(2).set_lease_until_us(node(2).lease_until_us()
                             - 100 * ms); // out of step with its own renewals
  pass(800);
  suspect("b", "c");
  auto ended = node(2).lease_until_us() - 3'600'000 * ms;
  while (now < ended + 1'000 * ms && pass(20).find("declare") == std::string::npos) {
  }
  CHECK(now >= ended);
  CHECK(now <= ended + 45 * ms);
  // The tables did not do it: it is said again, but not at each tick.
  CHECK(pass(80).find("declare") == std::string::npos);
  CHECK(pass(40).find("declare") != std::string::npos);
  self.command_failed(ec::store_unavailable, now);
  now += 80 * ms;
  CHECK(tick().declare.empty());
}

TEST_CASE_FIXTURE(member_fixture,
                  "shards of the dead are given away at once, those at a wrong place moved") {
  pass(1'000);
  int of_c = 0;
  for (const auto& shard : view.shards())
    of_c += shard.owner() == "c";
  REQUIRE(of_c > 0);
  node(2).set_state(v1::NODE_STATE_DEAD);
  view.set_version(11);
  self.viewed(read());
  now += 20 * ms;
  auto wishes = tick();
  REQUIRE(wishes.assign);
  CHECK(wishes.assign->assignments_size() == of_c);
  CHECK(wishes.assign->leader().name() == "a");
  CHECK(wishes.assign->leader().incarnation() == 1);
  CHECK(!wishes.move);
  CHECK(!tick().assign); // the answer is on its way
  self.command_failed(ec::store_unavailable, now);
  CHECK(!tick().assign);
  now += 100 * ms;
  CHECK(tick().assign);
  for (auto& shard : *view.mutable_shards()) {
    shard.set_owner("a");
    shard.set_epoch(2);
  }
  view.set_version(12);
  self.viewed(read());
  wishes = tick();
  CHECK(!wishes.assign);
  CHECK(wishes.move);
}

TEST_CASE_FIXTURE(member_fixture, "who does not lead decides nothing") {
  view.set_leader("b");
  view.set_version(11);
  self.viewed(read());
  node(2).set_state(v1::NODE_STATE_DEAD);
  CHECK(!self.leads(now));
  silent = "c";
  suspect("b", "c");
  auto seen = pass(2'000);
  CHECK(seen.find("assign") == std::string::npos);
  CHECK(seen.find("declare") == std::string::npos);
}

TEST_CASE_FIXTURE(member_fixture,
                  "a leader whose lease ends in the middle of a decision decides no more") {
  pass(1'000);
  CHECK(self.leads(now));
  SUBCASE("by its own clock") {
    now += 1'200 * ms;
    CHECK(!self.leads(now));
  }
  SUBCASE("by the refusal of what it decided") {
    self.command_failed(ec::not_owner, now);
    CHECK(!self.leads(now));
    now += 120 * ms;
    CHECK(tick().renew); // and it looks who leads
  }
  SUBCASE("by a view in which another one leads") {
    view.set_leader("b");
    view.set_version(11);
    self.viewed(read());
    CHECK(!self.leads(now));
  }
  node(2).set_state(v1::NODE_STATE_DEAD);
  CHECK(!tick().assign);
}

TEST_CASE_FIXTURE(member_fixture, "the lead is asked for only by who has it or when it is free") {
  view.set_leader("b");
  view.set_version(11);
  self.viewed(read());
  pass(1'000);
  now += 300 * ms;
  auto wishes = tick();
  REQUIRE(wishes.renew);
  CHECK(wishes.renew->leader_lease_ms() == 0);
  self.renewed(read(), now);
  SUBCASE("nobody has it") { view.set_leader(""); }
  SUBCASE("its leader is dead") { node(1).set_state(v1::NODE_STATE_DEAD); }
  SUBCASE("it has it") { view.set_leader("a"); }
  view.set_version(12);
  self.viewed(read());
  now += 300 * ms;
  wishes = tick();
  REQUIRE(wishes.renew);
  CHECK(wishes.renew->leader_lease_ms() == 1'200);
}

TEST_CASE_FIXTURE(member_fixture, "a lead that ends is asked for as soon as it has ended") {
  view.set_leader("b");
  view.set_version(11);
  self.viewed(read());
  pass(1'000);
  silent = "b";
  auto ended = view.leader_until_us() - 3'600'000 * ms;
  std::int64_t asked = 0;
  while (asked == 0 && now < ended + 1'000 * ms) {
    now += 20 * ms;
    self.heard("c", 1, now);
    auto wishes = tick();
    if (wishes.renew && wishes.renew->leader_lease_ms() > 0)
      asked = now;
    else if (wishes.renew)
      self.renewed(read(), now);
  }
  CHECK(asked >= ended);
  CHECK(asked <= ended + 30 * ms);
}
