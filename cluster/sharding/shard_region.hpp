// The region of all shards: the way from any node to a session of any other. What it decides about
// shards is in shard_holder.hpp; what a session does it does not know.
#pragma once

#include "cluster/sharding/remote_messages.hpp"
#include "cluster/sharding/shard_holder.hpp"
#include "messages/actor.hpp"
#include "messages/alarms.hpp"
#include "messages/clock.hpp"
#include "messages/interfaces.hpp"
#include "messages/promises.hpp"
#include "messages/serving_lease.hpp"
#include "messages/shard.hpp"

#include <array>
#include <atomic>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

namespace troupe {

/// What the region counts; read by the node's metrics.
struct shard_probe {
  std::atomic<std::int64_t> owned{0};
  std::atomic<std::int64_t> moving{0};
  std::atomic<std::int64_t> waiting{0};          // requests that look for their shard's owner
  std::atomic<std::uint64_t> requests_remote{0}; // passed on to another node
  std::atomic<std::uint64_t> requests_served{0}; // for another node
  std::atomic<std::uint64_t> redirects{0};       // the owner was another one than thought
  std::atomic<std::uint64_t> handoffs{0};        // shards handed over
  std::atomic<std::uint64_t> taken{0};           // shards that came
  std::atomic<std::uint64_t> lost{0};            // shards that were taken away
};

struct shard_region_options {
  actor_host host;
  std::string node; // this one's name
  /// Starts the region of one shard's sessions; its exit ends them.
  std::function<session_region_actor(const v1::ShardClaim&)> open_shard;
  /// Answers what is for no session.
  session_region_actor queries;
  /// The conversation that a message belongs to: its own, or that of its session key.
  std::function<std::string(const v1::PostMessage&)> conversation_of;
  membership_actor membership;
  std::shared_ptr<const serving_lease> lease;
  std::function<std::int64_t()> boot_clock = boot_clock_us;
  wall_clock_ptr clock = system_clock();
  shard_holder_options holder;
  std::int64_t route_limit_ms = 15'000; // a request without a deadline looks for its owner so long
  std::int64_t drain_limit_ms = 2'000;  // of a frozen shard's turns
  std::int64_t apart_limit_ms = 300;    // without a lease, until requests are refused
  std::size_t waiting_max = 10'000;     // requests that look for their owner
  std::shared_ptr<troupe::alarms> alarms; // empty: made
  std::shared_ptr<shard_probe> probe = std::make_shared<shard_probe>();
};

class shard_region_state {
public:
  using interface = with_timer<shard_region_actor>;
  using pointer = self_pointer<interface, shard_region_state>;
  static inline const char* name = "shard_region";

  explicit shard_region_state(pointer self) : self_(self) {}
  ~shard_region_state();
  void start(shard_region_options options);

  // For one session: here, or at the node that has its shard.
  caf::result<TurnAccepted> post(const PostMessage& message);
  template <class Answer, class Message>
  caf::result<Answer> route(const std::string& conversation_id, const Message& message,
                            turn_sink_actor sink = {});
  void unsubscribe(const UnsubscribeTurn& query, const turn_sink_actor& sink);
  caf::result<RemoteAnswer> serve(const RemoteRequest& request, const turn_sink_actor& sink);

  // For no session.
  template <class Message>
  auto query(const Message& message) {
    return self_->delegate(options_.queries, message);
  }
  caf::result<RegionStatus> status();
  caf::result<Done> drain(const DrainRegion& command);

  // News.
  void view(const ClusterView& news);
  void peer_up(const PeerSeen& peer, const peer_actor& handle);
  void peer_lost(const PeerLost& peer);
  void tick(const Tick& timer);

private:
  using time_point = caf::actor_clock::time_point;
  enum tick_kind { move_tick = 1 };

  /// A request on its way to its session.
  struct routed {
    int shard = 0;
    time_point deadline;
    std::int64_t epoch = 0; // under which it was last asked for
    int tries = 0;
    v1::RemoteRequest remote;
    turn_sink_actor sink;
    std::function<void(const session_region_actor&)> ask_here;
    std::function<void(const v1::RemoteAnswer&)> give;
    std::function<void(caf::error)> fail;
  };
  using routed_ptr = std::shared_ptr<routed>;
  struct peer {
    peer_actor handle;
    std::int64_t incarnation = 0;
  };

  // shard_region.cpp: finding the owner.
  const session_region_actor* serving(int shard) const;
  void try_route(const routed_ptr& x);
  void ask_peer(const routed_ptr& x, const v1::Shard& shard, const peer_actor& to);
  void wait(const routed_ptr& x);
  void failed(const routed_ptr& x, const caf::error& err);
  void route_waiting();
  std::chrono::milliseconds left(const routed& x) const;
  time_point deadline_of(const v1::Context& context) const;
  const v1::Shard* shard_row(int shard) const;
  bool others_up() const;
  bool any_takes_shards(bool up) const;
  std::int64_t apart_us();

  // shard_handoff.cpp: shards that come and go.
  void act(const std::vector<shard_change>& changes);
  void open(const shard_change& change);
  void freeze(const shard_change& change);
  void close(int shard);
  void hand_over();
  void look_at_leaving();
  void look_again();
  void arm();
  void count();

  pointer self_;
  shard_region_options options_;
  shard_holder holder_{{}};
  std::array<session_region_actor, shard_count> regions_;
  std::vector<int> leaving_;   // shards asked whether something runs in them
  v1::HandOverShards handing_; // those that wait for the ones before them
  std::map<std::string, peer, std::less<>> peers_;
  ClusterView view_;
  std::deque<routed_ptr> waiting_;
  std::int64_t apart_since_us_ = 0; // without a lease; 0: it holds, as far as was looked
  bool armed_ = false;
  bool handing_asked_ = false;
  bool asked_for_news_ = false;
};

shard_region_state::interface::behavior_type shard_region(shard_region_state::pointer self,
                                                          shard_region_options options);

} // namespace troupe
