// One node's part in the membership: its lease, whom it misses, and what it decides when it leads.
// Pure: time comes in, wishes go out. Times are microseconds of this machine's monotonic clock,
// which also runs while the machine sleeps.
#pragma once

#include "cluster/membership/placement.hpp"
#include "messages/error.hpp"

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace troupe {

struct member_options {
  std::string name;
  std::int64_t lease_ms = 1'200;
  std::int64_t renew_ms = 300; // a quarter of the lease or less
  std::int64_t leader_lease_ms = 1'200;
  std::int64_t fence_margin_ms = 200; // it stops serving so long before its lease ends
  std::int64_t suspect_ms = 600;      // without a beat of a peer
  std::int64_t lost_ms = 200;         // without a link, once it was lost
  std::int64_t report_ms = 1'000;     // suspicions are told again, while there are some
  std::int64_t retry_ms = 100;        // after a failure; between looks at a lease that has ended
  std::int64_t rejoin_ms = 500;       // between tries to join again
  placement_limits placement{};
};

/// What a member wants done, in this order. Every answer of the authority goes back into the
/// member.
struct member_wishes {
  std::optional<v1::ChangeNodeState> change;
  std::optional<v1::RenewLease> renew; // the next comes only once `renewed` or `renew_failed` came
  std::optional<v1::ReportSuspicions> report;
  std::vector<v1::DeclareDead> declare;
  std::optional<v1::AssignShards> assign;
  std::optional<v1::MoveShards> move;
  bool rejoin = false; // it was fenced for good, and has no shard any more: join again
};

class member {
public:
  explicit member(member_options options);

  /// It is a member from now on. `asked_us`: when the request was sent, from which the lease
  /// counts.
  void joined(const v1::ClusterJoined& answer, std::int64_t asked_us);
  /// The authority's answer to a renewal. One without shards keeps those it knows; an older version
  /// than it has prolongs the lease and is no news.
  void renewed(const v1::ClusterView& view, std::int64_t asked_us);
  /// Any other view: an answer to another command. An older version than it has is left alone. One
  /// that has this incarnation as dead, left or replaced ends the membership.
  void viewed(const v1::ClusterView& view);
  /// A command failed. `fenced` to a renewal ends its membership; after anything else it tries
  /// again.
  void renew_failed(ec code, std::int64_t now_us);
  void command_failed(ec code, std::int64_t now_us);

  void heard(std::string_view name, std::int64_t incarnation, std::int64_t now_us);
  void lost(std::string_view name, std::int64_t incarnation, std::int64_t now_us);

  /// From now on it wishes to be leaving, until the tables say so; it joins no more.
  void leave();

  /// The tables may have changed: the next tick asks for them.
  void look_again();

  /// To be called often: at least every 50 ms.
  member_wishes tick(std::int64_t now_us);

  /// Whether it may answer for its shards: its lease holds, and some way beyond now.
  bool may_serve(std::int64_t now_us) const;
  /// Until when it may, if nothing is renewed.
  std::int64_t serves_until_us() const;
  /// False once it was declared dead; true again after it joined anew.
  bool is_member() const;
  bool leads(std::int64_t now_us) const;

  /// The newest it knows, always with shards.
  const v1::ClusterView& view() const;
  std::int64_t incarnation() const;
  /// The nodes it misses now, in order of their names: those it does not hear, and those that do
  /// not renew their lease though others do.
  std::vector<std::string> suspects(std::int64_t now_us) const;

private:
  struct peer {
    std::int64_t incarnation = 0;
    std::int64_t heard_us = 0;   // or since when it is missed
    std::int64_t lapsed_us = -1; // the first look that found its lease ended; -1: it holds
    bool lost = false;           // its link
  };

  bool take(const v1::ClusterView& view);
  std::int64_t lease_of(const v1::Node& row, const v1::ClusterView& view) const;
  void measure(const v1::ClusterView& view, std::int64_t asked_us);
  void fence();
  bool may_lead(std::int64_t now_us) const;
  bool is_missed(const v1::Node& node, std::int64_t now_us) const;
  std::int64_t ends_us(std::int64_t database_us) const;
  std::int64_t next_look_us(std::int64_t now_us) const;
  void look_at_peers(std::int64_t now_us);
  void wish_renewal(member_wishes& wishes, std::int64_t now_us);
  void wish_change(member_wishes& wishes, std::int64_t now_us);
  void wish_report(member_wishes& wishes, std::int64_t now_us);
  void wish_decisions(member_wishes& wishes, std::int64_t now_us);
  void wish_declarations(member_wishes& wishes, const v1::LeaderClaim& claim, std::int64_t now_us);

  member_options options_;
  v1::ClusterView view_;
  bool member_ = false;
  std::int64_t incarnation_ = 0;
  std::int64_t lease_until_us_ = 0;
  std::int64_t leader_until_us_ = 0;
  std::int64_t looked_us_ = 0; // when the newest answer to a renewal was asked for
  std::int64_t ahead_us_ = 0;  // the database's clock less ours, at most
  std::map<std::string, peer, std::less<>> peers_;
  std::int64_t ticked_us_ = 0;

  std::int64_t renewing_ = 0;      // the incarnation that the renewal on its way is for
  std::int64_t asked_us_ = 0;      // when the last was asked for
  std::int64_t not_before_us_ = 0; // nothing is asked again earlier, after a failure
  bool look_again_ = false;
  bool leaving_ = false;
  std::int64_t changed_us_ = 0;  // when it last asked to be leaving
  std::int64_t rejoined_us_ = 0; // when it last wished to join again; 0: not yet
  std::vector<v1::Suspicion> told_;
  std::int64_t told_us_ = 0;
  std::int64_t declared_us_ = 0;
  std::int64_t planned_version_ = -1;
  std::int64_t planned_us_ = 0;
};

} // namespace troupe
