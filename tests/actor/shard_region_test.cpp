#include "cluster/sharding/shard_region.hpp"

#include "messages/failure.hpp"
#include "tests/support/actor_fixture.hpp"

#include <caf/event_based_actor.hpp>
#include <doctest/doctest.h>

#include <deque>
#include <map>

using namespace troupe;
using namespace std::chrono_literals;

namespace {

/// What the regions of single shards, the peers and the membership were asked, and what they say.
struct script {
  std::map<int, std::vector<v1::PostMessage>> posts; // by shard
  std::map<int, std::int64_t> opened;                // shard: its claim's epoch
  std::vector<int> drained;
  std::deque<caf::error> failures; // of the next posts
  std::int64_t running = 0;        // turns in each shard
  std::vector<v1::RemoteRequest> asked;
  std::deque<caf::error> peer_failures;
  bool peer_silent = false;
  std::vector<caf::typed_response_promise<RemoteAnswer>> unanswered;
  std::vector<v1::HandOverShards> handed;
  std::deque<caf::error> hand_failures;
  int looked_again = 0;
  ClusterView view; // as last shown
};
using script_ptr = std::shared_ptr<script>;

struct region_state {
  static inline const char* name = "session_region";
};

caf::error next(std::deque<caf::error>& errors) {
  if (errors.empty())
    return caf::none;
  auto err = std::move(errors.front());
  errors.pop_front();
  return err;
}

template <class Answer, class... Query>
auto unused() {
  return [](const Query&...) -> caf::result<Answer> { return make_error(ec::unsupported); };
}

session_region_actor::behavior_type one_shard(self_pointer<session_region_actor, region_state>,
                                              script_ptr script, int shard) {
  return {
      [script, shard](const PostMessage& x) -> caf::result<TurnAccepted> {
        if (auto err = next(script->failures))
          return err;
        script->posts[shard].push_back(*x);
        v1::TurnAccepted accepted;
        accepted.set_turn_id(x->turn_id());
        return TurnAccepted{std::move(accepted)};
      },
      [](const SubscribeTurn& x, const turn_sink_actor&) {
        v1::Turn turn;
        turn.set_id(x->turn_id());
        return Turn{std::move(turn)};
      },
      [](const UnsubscribeTurn&, const turn_sink_actor&) {},
      unused<Turn, StopTurn>(),
      unused<Done, ResumeTurn>(),
      unused<Conversation, GetConversation>(),
      unused<Conversation, UpdateConversation>(),
      unused<Done, DeleteConversation>(),
      unused<Conversation, CreateConversation>(),
      unused<ConversationPage, ListConversations>(),
      unused<MessagePage, ListMessages>(),
      [script](const GetRegionStatus&) {
        v1::RegionStatus status;
        status.set_sessions_live(1);
        status.set_turns_running(script->running);
        return RegionStatus{std::move(status)};
      },
      [script, shard](const DrainRegion&) {
        script->drained.push_back(shard);
        return Done{};
      },
  };
}

peer_actor::behavior_type one_peer(peer_actor::pointer self, script_ptr script) {
  auto answer = [self, script](const RemoteRequest& x) -> caf::result<RemoteAnswer> {
    script->asked.push_back(*x);
    if (script->peer_silent) {
      script->unanswered.push_back(self->make_response_promise<RemoteAnswer>());
      return script->unanswered.back();
    }
    if (auto err = next(script->peer_failures))
      return err;
    v1::RemoteAnswer out;
    if (x->has_post())
      out.mutable_accepted()->set_turn_id(x->post().turn_id());
    else if (x->has_subscribe())
      out.mutable_turn()->set_id(x->subscribe().turn_id());
    return RemoteAnswer{std::move(out)};
  };
  return {answer, [answer](const RemoteRequest& x, const turn_sink_actor&) { return answer(x); }};
}

membership_actor::behavior_type one_membership(membership_actor::pointer, script_ptr script) {
  return {
      [](const PeerSeen&) {},
      [](const PeerLost&) {},
      [script](const ShardsChanged&) { ++script->looked_again; },
      [script](const HandOverShards& x) -> caf::result<ClusterView> {
        script->handed.push_back(*x);
        if (auto err = next(script->hand_failures))
          return err;
        return script->view;
      },
      unused<Done, LeaveCluster>(),
      unused<ClusterView, GetCluster>(),
  };
}

struct fixture : test::actor_fixture {
  fixture() {
    shard_region_options options;
    options.host = host;
    options.node = "a";
    options.open_shard = [this](const v1::ShardClaim& claim) {
      script_->opened[claim.shard()] = claim.epoch();
      return troupe::spawn(host, one_shard, script_, claim.shard());
    };
    options.queries = troupe::spawn(host, one_shard, script_, -1);
    options.conversation_of = [](const v1::PostMessage& x) { return x.conversation_id(); };
    membership = system->spawn(one_membership, script_);
    options.membership = membership;
    options.lease = lease;
    options.boot_clock = [this] { return boot_us; };
    options.clock = clock;
    options.holder.leave_limit_ms = 1'000;
    options.waiting_max = 3;
    options.probe = probe;
    lease->set(1'000'000'000, 1);
    peer = system->spawn(one_peer, script_);
    region = troupe::spawn(host, shard_region, std::move(options));
    run();
  }
  ~fixture() {
    script_->unanswered.clear();
    caf::anon_send_exit(region, caf::exit_reason::user_shutdown);
    run();
  }

  /// Nodes a and b, with the shards of `conversation` and all others at the owners given.
  v1::ClusterView view(std::int64_t version, const std::string& owner, std::int64_t epoch) {
    v1::ClusterView out;
    out.set_version(version);
    for (auto name : {"a", "b"}) {
      auto& node = *out.add_nodes();
      node.set_name(name);
      node.set_incarnation(1);
      node.set_state(v1::NODE_STATE_UP);
      node.add_roles("session");
    }
    for (int i = 0; i < shard_count; ++i) {
      auto& shard = *out.add_shards();
      shard.set_id(i);
      shard.set_owner(i == mine ? owner : "b");
      shard.set_incarnation(1);
      shard.set_epoch(i == mine ? epoch : 1);
    }
    return out;
  }
  void show(v1::ClusterView news) {
    script_->view = ClusterView{std::move(news)};
    caf::anon_send(region, script_->view);
    run();
  }
  void link(const peer_actor& handle) {
    v1::PeerSeen seen;
    seen.set_name("b");
    seen.set_incarnation(1);
    caf::anon_send(region, PeerSeen{std::move(seen)}, handle);
    run();
  }
  void tick(std::chrono::milliseconds by = 30ms) {
    boot_us += std::chrono::microseconds{by}.count();
    advance(by);
  }

  static PostMessage message(const std::string& id, std::int64_t deadline_us = 0) {
    v1::PostMessage post;
    post.set_conversation_id(id);
    post.mutable_context()->set_deadline_us(deadline_us);
    return PostMessage{std::move(post)};
  }

  /// A request whose answer is looked at later.
  struct pending {
    caf::expected<TurnAccepted> answer{make_error(ec::none)};
    bool done = false;
  };
  std::shared_ptr<pending> post(const std::string& id) {
    auto out = std::make_shared<pending>();
    system->spawn([this, id, out](caf::event_based_actor* self) {
      self->request(region, caf::infinite, message(id))
          .then(
              [out](const TurnAccepted& x) {
                out->answer = x;
                out->done = true;
              },
              [out](const caf::error& err) {
                out->answer = err;
                out->done = true;
              });
    });
    run();
    return out;
  }

  script_ptr script_ = std::make_shared<script>();
  std::shared_ptr<serving_lease> lease = std::make_shared<serving_lease>();
  std::shared_ptr<shard_probe> probe = std::make_shared<shard_probe>();
  std::int64_t boot_us = 1'000'000;
  std::string conversation = "01900000-0000-7000-8000-000000000001";
  int mine = shard_of(conversation);
  membership_actor membership;
  peer_actor peer;
  shard_region_actor region;
};

ec code_of(const caf::expected<TurnAccepted>& x) { return x ? ec::none : info(x.error()).code; }

} // namespace

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

TEST_CASE_FIXTURE(fixture, "a request that this version does not know is refused, not dropped") {
  show(view(1, "a", 7));
  v1::RemoteRequest request;
  request.mutable_shard()->set_shard(mine);
  request.mutable_shard()->set_epoch(7);
  auto answer = ask<RemoteAnswer>(region, RemoteRequest{request});
  REQUIRE(!answer);
  CHECK(info(answer.error()).code == ec::unsupported);
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
