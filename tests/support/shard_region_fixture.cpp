#include "tests/support/shard_region_fixture.hpp"

namespace troupe::test {

namespace {

using script_ptr = std::shared_ptr<shards_script>;

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
    if (script->peer_odd)
      out.mutable_tokens();
    else if (x->has_post())
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

} // namespace

shard_region_fixture::shard_region_fixture() {
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

shard_region_fixture::~shard_region_fixture() {
  script_->unanswered.clear();
  caf::anon_send_exit(region, caf::exit_reason::user_shutdown);
  run();
}

} // namespace troupe::test
