// A region that has no lease, or nobody to pass a message on to, and what is not understood.
#include "tests/support/shard_region_fixture.hpp"

#include <doctest/doctest.h>

using namespace troupe;
using namespace std::chrono_literals;
using fixture = test::shard_region_fixture;
using test::code_of;

TEST_CASE_FIXTURE(fixture, "a node whose lease ended passes nothing to its own shards") {
  show(view(1, "a", 7));
  lease->end();
  auto answer = post(conversation);
  CHECK(!answer->done);
  CHECK(script_->posts[mine].empty());
  lease->set(boot_us + 60'000'000, 2); // joined anew, and not yet told of it
  tick();
  CHECK(!answer->done);
  CHECK(script_->posts[mine].empty());
  lease->set(boot_us + 60'000'000, 1);
  tick();
  CHECK(answer->done);
}

TEST_CASE_FIXTURE(fixture, "a node without a lease refuses after a moment what it has not begun") {
  show(view(1, "a", 7));
  lease->set(boot_us, 1);
  auto early = post(conversation);
  tick(200ms);
  CHECK(!early->done);
  tick(100ms);
  REQUIRE(early->done);
  CHECK(code_of(early->answer) == ec::store_unavailable);
  CHECK(describe(early->answer.error()).find("nothing was done") != std::string::npos);
  auto late = post(conversation);
  REQUIRE(late->done);
  CHECK(code_of(late->answer) == ec::store_unavailable);
  CHECK(script_->posts[mine].empty());
}

TEST_CASE_FIXTURE(fixture, "a node without a lease says of what it had begun that it may be done") {
  show(view(1, "b", 3));
  link(peer);
  script_->peer_failures.push_back(make_error(ec::not_owner));
  lease->set(boot_us - 500'000, 1);
  auto answer = post(conversation);
  REQUIRE(answer->done);
  CHECK(code_of(answer->answer) == ec::store_unavailable);
  CHECK(describe(answer->answer.error()).find("may have been done") != std::string::npos);
}

TEST_CASE_FIXTURE(fixture, "a node without a lease passes on what belongs to another one") {
  show(view(1, "b", 3));
  link(peer);
  lease->set(boot_us - 500'000, 1);
  CHECK(post(conversation)->answer);
}

TEST_CASE_FIXTURE(fixture, "a lease that ends again is waited for again") {
  show(view(1, "a", 7));
  lease->end();
  auto first = post(conversation);
  tick(200ms);
  lease->set(boot_us + 10'000'000, 1);
  tick();
  CHECK(first->answer);
  lease->end();
  auto second = post(conversation);
  tick(200ms);
  CHECK(!second->done);
}

TEST_CASE_FIXTURE(fixture, "a fenced node ends its shards; what came meanwhile goes to the next") {
  show(view(1, "a", 7));
  show({});
  CHECK(probe->owned == 0);
  CHECK(probe->lost == 1);
  auto answer = post(conversation);
  CHECK(!answer->done);
  link(peer);
  show(view(3, "b", 8));
  REQUIRE(answer->done);
  CHECK(script_->asked.size() == 1);
}

TEST_CASE_FIXTURE(fixture, "a request that this version does not know is refused, not dropped") {
  show(view(1, "a", 7));
  v1::RemoteRequest request;
  request.mutable_shard()->set_shard(mine);
  request.mutable_shard()->set_epoch(7);
  auto answer = ask<RemoteAnswer>(region, RemoteRequest{request});
  REQUIRE(!answer);
  CHECK(info(answer.error()).code == ec::unsupported);
}

TEST_CASE_FIXTURE(fixture, "an answer that is none to the question is an error, not an empty one") {
  show(view(1, "b", 3));
  link(peer);
  script_->peer_odd = true;
  auto answer = post(conversation);
  REQUIRE(answer->done);
  CHECK(code_of(answer->answer) == ec::unsupported);
}

TEST_CASE_FIXTURE(fixture, "where no node takes conversations, who posts is told so at once") {
  auto none = view(1, "", 1);
  for (auto& node : *none.mutable_nodes())
    node.set_roles(0, "gateway");
  for (auto& shard : *none.mutable_shards())
    shard.clear_owner();
  show(none);
  auto answer = post(conversation);
  REQUIRE(answer->done);
  CHECK(info(answer->answer.error()).http_status == 503);
  CHECK(describe(answer->answer.error()).find("role session") != std::string::npos);
}

TEST_CASE_FIXTURE(fixture,
                  "the only node that takes conversations is waited for while it is away") {
  auto gone = view(1, "", 1);
  gone.mutable_nodes(0)->set_roles(0, "gateway");
  gone.mutable_nodes(1)->set_state(v1::NODE_STATE_LEFT);
  for (auto& shard : *gone.mutable_shards())
    shard.clear_owner();
  show(gone);
  auto early = post(conversation);
  CHECK(!early->done);
  auto late = post(conversation);
  show(view(2, "b", 3));
  link(peer);
  CHECK(early->done);
  REQUIRE(early->answer);
  show(gone);
  gone.set_version(3);
  show(gone);
  late = post(conversation);
  for (int i = 0; i < 600 && !late->done; ++i)
    tick();
  REQUIRE(late->done);
  CHECK(info(late->answer.error()).http_status == 503);
  CHECK(describe(late->answer.error()).find("role session") != std::string::npos);
}
