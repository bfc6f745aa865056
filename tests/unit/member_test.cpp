// One node's part in the membership: its lease, and what it knows.
#include "tests/support/member_fixture.hpp"

#include <doctest/doctest.h>

using namespace troupe;
using namespace troupe::test;

// -- the lease ----------------------------------------------------------------

TEST_CASE_FIXTURE(
    member_fixture,
    "a lease counts from when it was asked for, and is left some time before it ends") {
  auto asked = now;
  CHECK(self.is_member());
  CHECK(self.serves_until_us() == asked + 1'000 * ms);
  tick();
  now += 300 * ms;
  auto wishes = tick();
  REQUIRE(wishes.renew);
  CHECK(wishes.renew->name() == "a");
  CHECK(wishes.renew->incarnation() == 1);
  CHECK(wishes.renew->lease_ms() == 1'200);
  CHECK(wishes.renew->known_version() == 10);
  asked = now;
  now += 400 * ms; // the answer takes its time
  self.renewed(read(), asked);
  CHECK(self.serves_until_us() == asked + 1'000 * ms);
  CHECK(self.may_serve(asked + 1'000 * ms - 1));
  CHECK(!self.may_serve(asked + 1'000 * ms));
}

TEST_CASE_FIXTURE(member_fixture, "answers that come late or out of order never shorten a lease") {
  auto early = read();
  auto first = now;
  now += 300 * ms;
  self.renewed(read(), now);
  auto until = self.serves_until_us();
  self.renewed(early, first);
  CHECK(self.serves_until_us() == until);
}

TEST_CASE_FIXTURE(member_fixture, "a table that gives less than was asked for is believed") {
  auto& given = read();
  given.mutable_nodes(0)->set_lease_until_us(given.now_us() + 500 * ms);
  now += 300 * ms;
  given.set_now_us(given.now_us() + 300 * ms);
  given.mutable_nodes(0)->set_lease_until_us(given.now_us() + 900 * ms);
  self.renewed(given, now);
  CHECK(self.serves_until_us() == now + 700 * ms);
}

TEST_CASE_FIXTURE(member_fixture,
                  "only the monotonic clock counts: a jump of the database's changes no lease") {
  auto until = self.serves_until_us();
  auto jumped = read();
  jumped.set_now_us(jumped.now_us() + 86'400'000 * ms);
  self.viewed(jumped);
  CHECK(self.serves_until_us() == until);
  jumped.set_now_us(1);
  self.viewed(jumped);
  CHECK(self.serves_until_us() == until);
  // A machine that slept: the lease is over when it wakes.
  now += 3'000 * ms;
  CHECK(!self.may_serve(now));
}

TEST_CASE_FIXTURE(member_fixture,
                  "there is one renewal at a time, and the next comes soon after a failure") {
  now += 300 * ms;
  REQUIRE(tick().renew);
  now += 300 * ms;
  CHECK(!tick().renew);
  self.renew_failed(ec::store_unavailable, now);
  CHECK(self.is_member());
  CHECK(!tick().renew);
  now += 100 * ms;
  CHECK(tick().renew);
}

TEST_CASE_FIXTURE(member_fixture,
                  "who is told that the tables changed asks for them at the next tick") {
  tick();
  now += 40 * ms;
  CHECK(!tick().renew);
  self.look_again();
  CHECK(tick().renew);
  self.renewed(read(), now);
  now += 40 * ms;
  CHECK(!tick().renew);
}

// -- being fenced -------------------------------------------------------------

TEST_CASE_FIXTURE(member_fixture,
                  "a fenced node serves nothing at once, and joins again under a new incarnation") {
  now += 300 * ms;
  REQUIRE(tick().renew);
  self.renew_failed(ec::fenced, now);
  CHECK(!self.is_member());
  CHECK(!self.may_serve(now));
  CHECK(!self.leads(now));
  auto wishes = tick();
  CHECK(wishes.rejoin);
  CHECK(!wishes.renew);
  now += 20 * ms;
  CHECK(!tick().rejoin); // it is being done
  now += 500 * ms;
  CHECK(tick().rejoin); // or was not
  node(0).set_incarnation(2);
  view.set_version(12);
  join();
  CHECK(self.is_member());
  CHECK(self.incarnation() == 2);
  CHECK(self.may_serve(now));
  CHECK(!tick().rejoin);
}

TEST_CASE_FIXTURE(member_fixture, "any newer view that knows this node as gone fences it") {
  SUBCASE("dead") { node(0).set_state(v1::NODE_STATE_DEAD); }
  SUBCASE("left") { node(0).set_state(v1::NODE_STATE_LEFT); }
  SUBCASE("replaced") { node(0).set_incarnation(2); }
  auto older = read();
  older.set_version(9);
  self.viewed(older);
  CHECK(self.is_member());
  view.set_version(11);
  self.viewed(read());
  CHECK(!self.is_member());
  CHECK(!self.may_serve(now));
}

TEST_CASE_FIXTURE(member_fixture, "who is told to leave asks for it until the tables know") {
  tick();
  self.leave();
  auto wishes = tick();
  REQUIRE(wishes.change);
  CHECK(wishes.change->name() == "a");
  CHECK(wishes.change->incarnation() == 1);
  CHECK(wishes.change->state() == v1::NODE_STATE_LEAVING);
  CHECK(!tick().change);
  self.command_failed(ec::store_unavailable, now);
  now += 300 * ms;
  CHECK(tick().change);
  node(0).set_state(v1::NODE_STATE_LEAVING);
  view.set_version(11);
  self.viewed(read());
  now += 300 * ms;
  CHECK(!tick().change);
  // Declared dead on its way out, it does not come back.
  node(0).set_state(v1::NODE_STATE_DEAD);
  view.set_version(12);
  self.viewed(read());
  CHECK(!tick().rejoin);
}

TEST_CASE_FIXTURE(member_fixture, "a node that is leaving is a member still") {
  node(0).set_state(v1::NODE_STATE_LEAVING);
  view.set_version(11);
  self.viewed(read());
  CHECK(self.may_serve(now));
}

TEST_CASE_FIXTURE(member_fixture,
                  "what was asked for an incarnation before changes nothing for this one") {
  now += 300 * ms;
  REQUIRE(tick().renew);
  auto asked = now;
  auto late = read();
  node(0).set_state(v1::NODE_STATE_DEAD);
  view.set_version(11);
  self.viewed(read());
  REQUIRE(!self.is_member());
  now += 100 * ms;
  node(0).set_state(v1::NODE_STATE_UP);
  node(0).set_incarnation(2);
  view.set_version(12);
  join();
  auto until = self.serves_until_us();
  SUBCASE("its refusal") {
    now += 500 * ms;
    CHECK(!tick().renew); // the old one is on its way
    self.renew_failed(ec::fenced, now);
    now += 100 * ms;
    CHECK(tick().renew);
  }
  SUBCASE("its answer") { self.renewed(late, asked); }
  SUBCASE("a join before") {
    v1::ClusterJoined before;
    *before.mutable_view() = late;
    *before.mutable_node() = late.nodes(0);
    self.joined(before, now);
    CHECK(self.view().version() == 12);
  }
  CHECK(self.is_member());
  CHECK(self.incarnation() == 2);
  CHECK(self.serves_until_us() == until);
}

// -- what it knows ------------------------------------------------------------

TEST_CASE_FIXTURE(member_fixture, "a view is always the newest it was told, with its shards") {
  auto older = read();
  view.set_version(11);
  view.mutable_shards(0)->set_epoch(7);
  self.viewed(read());
  CHECK(self.view().version() == 11);
  self.viewed(older);
  CHECK(self.view().version() == 11);
  auto slim = read();
  slim.clear_shards();
  slim.set_now_us(slim.now_us() + 1);
  self.renewed(slim, now);
  CHECK(self.view().now_us() == slim.now_us());
  REQUIRE(self.view().shards_size() == 8);
  CHECK(self.view().shards(0).epoch() == 7);
}

TEST_CASE_FIXTURE(member_fixture,
                  "a renewal that was overtaken by newer news prolongs the lease all the same") {
  auto older = read();
  auto asked = now + 100 * ms;
  older.mutable_nodes(0)->set_lease_until_us(older.now_us() + lease);
  view.set_version(11);
  self.viewed(read());
  self.renewed(older, asked);
  CHECK(self.view().version() == 11);
  CHECK(self.serves_until_us() == asked + 1'000 * ms);
}

TEST_CASE_FIXTURE(member_fixture, "a peer that is newer than the tables it knows makes it look") {
  tick();
  now += 40 * ms;
  self.heard("b", 1, now);
  CHECK(!tick().renew);
  self.heard("b", 2, now);
  CHECK(tick().renew);
}
