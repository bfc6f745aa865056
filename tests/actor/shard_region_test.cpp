#include "tests/support/shard_region_fixture.hpp"

#include <doctest/doctest.h>

#include <set>

using namespace troupe;
using namespace std::chrono_literals;
using fixture = test::shard_region_fixture;
using test::code_of;

TEST_CASE_FIXTURE(fixture, "a message for a shard of this node goes to its region, named") {
  show(view(1, "a", 7));
  CHECK(script_->opened == std::map<int, std::int64_t>{{mine, 7}});
  auto answer = post(conversation);
  REQUIRE(answer->done);
  REQUIRE(answer->answer);
  REQUIRE(script_->posts[mine].size() == 1);
  CHECK(!script_->posts[mine][0].turn_id().empty());
  CHECK((*answer->answer)->turn_id() == script_->posts[mine][0].turn_id());
  CHECK(script_->asked.empty());
}

TEST_CASE_FIXTURE(fixture, "a message for another node's shard goes to it with the shard's epoch") {
  show(view(1, "b", 3));
  link(peer);
  auto answer = post(conversation);
  REQUIRE(answer->done);
  REQUIRE(answer->answer);
  REQUIRE(script_->asked.size() == 1);
  CHECK(script_->asked[0].shard().shard() == mine);
  CHECK(script_->asked[0].shard().epoch() == 3);
  CHECK(script_->asked[0].limit_ms() > 0);
  CHECK(probe->requests_remote == 1);
}

TEST_CASE_FIXTURE(fixture, "a wrong owner's no leads to the new one, with the same turn") {
  show(view(1, "b", 3));
  link(peer);
  script_->peer_failures.push_back(make_error(ec::not_owner));
  auto answer = post(conversation);
  CHECK(!answer->done);
  CHECK(script_->looked_again == 1);
  show(view(2, "a", 4));
  REQUIRE(answer->done);
  REQUIRE(answer->answer);
  REQUIRE(script_->posts[mine].size() == 1);
  CHECK(script_->posts[mine][0].turn_id() == script_->asked[0].post().turn_id());
}

TEST_CASE_FIXTURE(fixture, "a message waits for a link, and no longer than its time") {
  show(view(1, "b", 3));
  auto early = post(conversation);
  CHECK(!early->done);
  link(peer);
  CHECK(early->done);
  v1::PeerLost lost;
  lost.set_name("b");
  lost.set_incarnation(1);
  caf::anon_send(region, PeerLost{lost});
  run();
  auto late = post(conversation);
  for (int i = 0; i < 600 && !late->done; ++i)
    tick();
  REQUIRE(late->done);
  CHECK(code_of(late->answer) == ec::deadline_exceeded);
}

TEST_CASE_FIXTURE(fixture, "more than may wait are refused at once") {
  show(view(1, "b", 3));
  std::vector<std::shared_ptr<pending>> all;
  for (int i = 0; i < 4; ++i)
    all.push_back(post(conversation));
  CHECK(!all[2]->done);
  REQUIRE(all[3]->done);
  CHECK(code_of(all[3]->answer) == ec::overloaded);
}

TEST_CASE_FIXTURE(fixture, "another node's request is served under the right epoch alone") {
  show(view(1, "a", 7));
  v1::RemoteRequest request;
  *request.mutable_post() = *message(conversation);
  request.mutable_post()->set_turn_id("turn");
  request.set_limit_ms(1'000);
  request.mutable_shard()->set_shard(mine);
  for (std::int64_t epoch : {6, 8}) {
    request.mutable_shard()->set_epoch(epoch);
    auto refused = ask<RemoteAnswer>(region, RemoteRequest{request});
    CHECK(info(refused.error()).code == ec::not_owner);
  }
  request.mutable_shard()->set_epoch(7);
  auto answer = ask<RemoteAnswer>(region, RemoteRequest{request});
  REQUIRE(answer);
  CHECK((*answer)->accepted().turn_id() == "turn");
  request.mutable_shard()->set_shard(shard_count);
  CHECK(!ask<RemoteAnswer>(region, RemoteRequest{request}));
}

TEST_CASE_FIXTURE(fixture, "a shard that is to move goes when nothing runs in it") {
  show(view(1, "a", 7));
  link(peer);
  script_->running = 1;
  auto moving = view(2, "a", 7);
  moving.mutable_shards(mine)->set_target("b");
  show(moving);
  tick();
  CHECK(script_->drained.empty());
  CHECK(post(conversation)->done); // served all the while
  script_->running = 0;
  tick();
  tick();
  CHECK(script_->drained == std::vector<int>{mine});
  REQUIRE(script_->handed.size() == 1);
  REQUIRE(script_->handed[0].shards_size() == 1);
  CHECK(script_->handed[0].shards(0).owner() == "b");
  CHECK(script_->handed[0].shards(0).epoch() == 7);
  auto waits = post(conversation);
  CHECK(!waits->done);
  show(view(3, "b", 8));
  CHECK(waits->done);
  CHECK(script_->asked.size() == 1);
  CHECK(probe->handoffs == 1);
  CHECK(probe->owned == 0);
}

TEST_CASE_FIXTURE(fixture, "shards that are emptied while others are handed over go together") {
  auto now = view(1, "a", 7);
  std::set<int> moved;
  for (int shard = 0; shard < 5; ++shard) {
    now.mutable_shards(shard)->set_owner("a");
    moved.insert(shard);
  }
  show(now);
  link(peer);
  now.set_version(2);
  for (int shard : moved)
    now.mutable_shards(shard)->set_target("b");
  show(now);
  tick();
  tick();
  REQUIRE(script_->handed.size() == 2);
  CHECK(script_->handed[0].shards_size() == 1);
  CHECK(script_->handed[1].shards_size() == 4);
  for (const auto& command : script_->handed)
    for (const auto& one : command.shards()) {
      CHECK(moved.erase(one.shard()) == 1);
      CHECK(one.owner() == "b");
    }
  CHECK(moved.empty());
}

TEST_CASE_FIXTURE(fixture, "a shard in which something always runs moves when its time is up") {
  show(view(1, "a", 7));
  script_->running = 1;
  auto moving = view(2, "a", 7);
  moving.mutable_shards(mine)->set_target("b");
  show(moving);
  for (int i = 0; i < 60 && script_->handed.empty(); ++i)
    tick();
  CHECK(script_->drained == std::vector<int>{mine});
  CHECK(!script_->handed.empty());
}

TEST_CASE_FIXTURE(fixture, "the regions' figures are summed up") {
  show(view(1, "a", 7));
  auto status = ask<RegionStatus>(region, GetRegionStatus{});
  REQUIRE(status);
  CHECK((*status)->sessions_live() == 1);
}

TEST_CASE_FIXTURE(fixture, "a message whose own fault it is fails at once") {
  show(view(1, "a", 7));
  script_->failures.push_back(make_error(ec::too_large, "too long"));
  auto answer = post(conversation);
  REQUIRE(answer->done);
  CHECK(code_of(answer->answer) == ec::too_large);
}
