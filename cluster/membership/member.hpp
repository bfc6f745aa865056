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
  std::int64_t report_ms = 1'000;     // suspicions are told again, while there are some
  placement_limits placement;
};

/// What a member wants done. Every answer of the authority goes back into the member.
struct member_wishes {
  std::optional<v1::RenewLease> renew;
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
  /// The authority's answer to a renewal. One without shards keeps those it knows.
  void renewed(const v1::ClusterView& view, std::int64_t asked_us);
  /// Any other view: an answer to another command. An older version than it has is left alone.
  void viewed(const v1::ClusterView& view);
  /// A command failed. `fenced` to a renewal ends its membership; after anything else it tries
  /// again.
  void renew_failed(ec code, std::int64_t now_us);
  void command_failed(ec code, std::int64_t now_us);

  void heard(std::string_view name, std::int64_t incarnation, std::int64_t now_us);
  void lost(std::string_view name, std::int64_t incarnation, std::int64_t now_us);

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
  /// The nodes it misses now.
  std::vector<std::string> suspects(std::int64_t now_us) const;

private:
  member_options options_;
  v1::ClusterView view_;
};

} // namespace troupe
