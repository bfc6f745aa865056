// The membership as an actor: carries out what cluster/membership/member.hpp wishes, and tells the
// shards' region and the links what came of it.
#pragma once

#include "cluster/membership/member.hpp"
#include "messages/actor.hpp"
#include "messages/alarms.hpp"
#include "messages/clock.hpp"
#include "messages/interfaces.hpp"
#include "messages/promises.hpp"
#include "messages/serving_lease.hpp"

#include <atomic>
#include <functional>
#include <memory>
#include <vector>

namespace troupe {

/// What the membership counts; read by the node's metrics.
struct membership_probe {
  std::atomic<std::uint64_t> renewals{0};
  std::atomic<std::uint64_t> renewals_failed{0};
  std::atomic<std::uint64_t> suspicions{0}; // reports that named somebody
  std::atomic<std::uint64_t> declared_dead{0};
  std::atomic<std::uint64_t> fenced{0}; // this node, by the tables
  std::atomic<std::uint64_t> lapses{0}; // its lease ended before it was renewed
  std::atomic<std::uint64_t> joins{0};
  std::atomic<bool> leads{false};
};

struct membership_options {
  actor_host host;
  authority_actor authority;
  v1::JoinCluster join;      // how this node joined, and joins again once it was fenced
  v1::ClusterJoined joined;  // the authority's answer to the first
  std::int64_t asked_us = 0; // when that was asked for
  member_options member;
  std::shared_ptr<serving_lease> lease;
  std::function<std::int64_t()> boot_clock = boot_clock_us;
  wall_clock_ptr clock = system_clock();
  std::int64_t authority_limit_ms = 1'000; // an answer that is later is a failure
  std::shared_ptr<troupe::alarms> alarms;  // empty: made
  std::shared_ptr<membership_probe> probe = std::make_shared<membership_probe>();
  /// Told of each view that is new, and of one without nodes when this node was fenced. Called on
  /// the membership's thread.
  std::function<void(const ClusterView&)> on_view;
  /// Told when this node changed the tables: others need not wait for their next renewal to see it.
  std::function<void(std::int64_t version)> on_change;
};

class membership_state {
public:
  using interface = with_timer<membership_actor>;
  using pointer = self_pointer<interface, membership_state>;
  static inline const char* name = "membership";

  explicit membership_state(pointer self) : self_(self) {}
  ~membership_state();
  void start(membership_options options);

  void seen(const PeerSeen& peer);
  void lost(const PeerLost& peer);
  void look_again();
  caf::result<ClusterView> hand_over(const HandOverShards& command);
  caf::result<Done> leave(const LeaveCluster& command);
  caf::result<ClusterView> get() const;
  void tick();

private:
  template <class Answer, class Command>
  void ask(Command command, std::function<void(const Answer&)> on_answer,
           std::function<void(ec)> on_error);
  void renew(v1::RenewLease command);
  void join_again();
  void learned(const ClusterView& view);
  void changed(const ClusterView& view);
  void publish();
  void carry_out(member_wishes wishes);
  void check_left();
  bool has_shards() const;
  void arm();

  pointer self_;
  membership_options options_;
  std::unique_ptr<member> member_;
  std::int64_t published_version_ = -1;
  std::int64_t told_version_ = -1; // to others
  std::int64_t published_incarnation_ = 0;
  bool renewing_ = false;
  bool joining_ = false;
  bool lapsed_ = false;
  bool leaving_ = false;
  std::int64_t leave_by_us_ = 0;
  std::vector<owed<Done>> leavers_;
};

membership_state::interface::behavior_type membership(membership_state::pointer self,
                                                      membership_options options);

} // namespace troupe
