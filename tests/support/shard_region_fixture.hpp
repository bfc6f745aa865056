// A shard region between stand-ins: what the shards' regions, a peer and the membership are asked.
#pragma once

#include "cluster/sharding/shard_region.hpp"
#include "messages/failure.hpp"
#include "tests/support/actor_fixture.hpp"

#include <caf/event_based_actor.hpp>

#include <deque>
#include <map>
#include <memory>
#include <string>
#include <vector>

namespace troupe::test {

/// What the regions of single shards, the peers and the membership were asked, and what they say.
struct shards_script {
  std::map<int, std::vector<v1::PostMessage>> posts; // by shard
  std::map<int, std::int64_t> opened;                // shard: its claim's epoch
  std::vector<int> drained;
  std::deque<caf::error> failures; // of the next posts
  std::int64_t running = 0;        // turns in each shard
  std::vector<v1::RemoteRequest> asked;
  std::deque<caf::error> peer_failures;
  bool peer_silent = false;
  bool peer_odd = false; // answers something else
  std::vector<caf::typed_response_promise<RemoteAnswer>> unanswered;
  std::vector<v1::HandOverShards> handed;
  std::deque<caf::error> hand_failures;
  int looked_again = 0;
  ClusterView view; // as last shown
};

/// Node a, with node b as its peer.
struct shard_region_fixture : actor_fixture {
  shard_region_fixture();
  ~shard_region_fixture();

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
  void tick(std::chrono::milliseconds by = std::chrono::milliseconds{30}) {
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

  std::shared_ptr<shards_script> script_ = std::make_shared<shards_script>();
  std::shared_ptr<serving_lease> lease = std::make_shared<serving_lease>();
  std::shared_ptr<shard_probe> probe = std::make_shared<shard_probe>();
  std::int64_t boot_us = 1'000'000;
  std::string conversation = "01900000-0000-7000-8000-000000000001";
  int mine = shard_of(conversation);
  membership_actor membership;
  peer_actor peer;
  shard_region_actor region;
};

inline ec code_of(const caf::expected<TurnAccepted>& x) {
  return x ? ec::none : info(x.error()).code;
}

} // namespace troupe::test
