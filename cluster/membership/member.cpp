#include "cluster/membership/member.hpp"

#include <algorithm>
#include <utility>

namespace troupe {

namespace {

constexpr std::int64_t us_of(std::int64_t ms) { return ms * 1'000; }

/// After the end of a lease, as our clock has it: the database is to have it behind it, too.
constexpr std::int64_t ended_us = 5'000;
/// Between two looks at leases that are about to end.
constexpr std::int64_t look_min_us = 20'000;

bool is_up_or_leaving(const v1::Node& node) {
  return node.state() == v1::NODE_STATE_UP || node.state() == v1::NODE_STATE_LEAVING;
}

const v1::Node* row_of(const v1::ClusterView& view, std::string_view name) {
  auto found = std::find_if(view.nodes().begin(), view.nodes().end(),
                            [&](const v1::Node& x) { return x.name() == name; });
  return found == view.nodes().end() ? nullptr : &*found;
}

bool same(const v1::Suspicion& a, const v1::Suspicion& b) {
  return a.node() == b.node() && a.incarnation() == b.incarnation();
}

/// Both are in order of the nodes' names.
bool same(const std::vector<v1::Suspicion>& a, const std::vector<v1::Suspicion>& b) {
  return std::equal(a.begin(), a.end(), b.begin(), b.end(),
                    [](const auto& x, const auto& y) { return same(x, y); });
}

} // namespace

member::member(member_options options) : options_(std::move(options)) {}

// -- what came in -------------------------------------------------------------

void member::joined(const v1::ClusterJoined& answer, std::int64_t asked_us) {
  if (answer.node().incarnation() <= incarnation_)
    return; // late: it was replaced, or fenced already
  member_ = true;
  incarnation_ = answer.node().incarnation();
  lease_until_us_ = asked_us + lease_of(answer.node(), answer.view());
  leader_until_us_ = 0;
  view_ = answer.view();
  measure(view_, asked_us);
  asked_us_ = std::max(asked_us_, asked_us);
  not_before_us_ = 0;
  rejoined_us_ = 0;
  told_.clear();
  told_us_ = 0;
  planned_version_ = -1;
  // Whom it missed as another incarnation it may not have heard because it was away itself.
  peers_.clear();
}

void member::renewed(const v1::ClusterView& view, std::int64_t asked_us) {
  renewing_ = 0;
  if (!member_)
    return;
  const auto* row = row_of(view, options_.name);
  bool known = view.version() >= view_.version();
  if (row == nullptr || row->incarnation() != incarnation_ || !is_up_or_leaving(*row)) {
    if (known)
      fence();
    return;
  }
  lease_until_us_ = std::max(lease_until_us_, asked_us + lease_of(*row, view));
  if (!take(view))
    return;
  // A database that was away itself is no reason to miss who could not renew.
  if (asked_us - looked_us_ > us_of(options_.suspect_ms))
    for (auto& [name, one] : peers_)
      one.lapsed_us = -1;
  measure(view_, asked_us);
}

std::int64_t member::lease_of(const v1::Node& row, const v1::ClusterView& view) const {
  return std::min(us_of(options_.lease_ms), row.lease_until_us() - view.now_us());
}

void member::viewed(const v1::ClusterView& view) {
  if (member_)
    take(view);
}

// False: it is no news.
bool member::take(const v1::ClusterView& view) {
  bool newer = view.version() > view_.version();
  if (view.version() < view_.version() || (newer && view.shards().empty())
      || (!newer && view.now_us() < view_.now_us()))
    return false;
  if (const auto* row = row_of(view, options_.name);
      row == nullptr || row->incarnation() != incarnation_ || !is_up_or_leaving(*row)) {
    fence();
    return false;
  }
  if (newer) {
    view_ = view;
  } else {
    view_.set_now_us(view.now_us());
    view_.set_leader_until_us(view.leader_until_us());
    *view_.mutable_nodes() = view.nodes();
    *view_.mutable_suspicions() = view.suspicions();
  }
  return true;
}

// What the view says of time, told on our clock. It was read later than it was asked for: what it
// says will end, ends at the earliest when we think so.
void member::measure(const v1::ClusterView& view, std::int64_t asked_us) {
  looked_us_ = asked_us;
  ahead_us_ = view.now_us() - asked_us;
  if (view.leader() == options_.name)
    leader_until_us_ = std::max(leader_until_us_, ends_us(view.leader_until_us()));
}

std::int64_t member::ends_us(std::int64_t database_us) const { return database_us - ahead_us_; }

void member::fence() {
  member_ = false;
  lease_until_us_ = 0;
  leader_until_us_ = 0;
}

void member::renew_failed(ec code, std::int64_t now_us) {
  auto of = std::exchange(renewing_, 0);
  if (code == ec::fenced && of == incarnation_)
    fence();
  else
    command_failed(code, now_us);
}

void member::command_failed(ec code, std::int64_t now_us) {
  not_before_us_ = now_us + us_of(options_.retry_ms);
  planned_version_ = -1;
  told_.clear();
  told_us_ = 0;
  look_again_ = true;
  if (code == ec::not_owner)
    leader_until_us_ = 0;
}

void member::heard(std::string_view name, std::int64_t incarnation, std::int64_t now_us) {
  auto& one = peers_.try_emplace(std::string{name}).first->second;
  if (incarnation < one.incarnation)
    return;
  if (incarnation > one.incarnation)
    one = {incarnation, now_us, -1, false};
  one.heard_us = std::max(one.heard_us, now_us);
  one.lost = false;
  const auto* row = row_of(view_, name);
  if (row == nullptr || row->incarnation() < incarnation)
    look_again_ = true;
}

void member::lost(std::string_view name, std::int64_t incarnation, std::int64_t now_us) {
  auto found = peers_.find(name);
  if (found == peers_.end() || found->second.incarnation != incarnation || found->second.lost)
    return;
  found->second.lost = true;
  found->second.heard_us = now_us;
}

void member::leave() { leaving_ = true; }

void member::look_again() { look_again_ = true; }

// -- what is to be done -------------------------------------------------------

member_wishes member::tick(std::int64_t now_us) {
  member_wishes wishes;
  if (member_) {
    look_at_peers(now_us);
    wish_change(wishes, now_us);
    wish_renewal(wishes, now_us);
    wish_report(wishes, now_us);
    if (leads(now_us))
      wish_decisions(wishes, now_us);
  } else if (incarnation_ != 0 && !leaving_
             && (rejoined_us_ == 0 || now_us - rejoined_us_ >= us_of(options_.rejoin_ms))) {
    rejoined_us_ = now_us;
    wishes.rejoin = true;
  }
  ticked_us_ = now_us;
  return wishes;
}

// Keeps book of the members only, so that it has a bound.
void member::look_at_peers(std::int64_t now_us) {
  // Who was away itself has heard nobody: it begins to miss them now.
  bool was_away = now_us - ticked_us_ > us_of(options_.suspect_ms) / 2;
  std::map<std::string, peer, std::less<>> all;
  for (const auto& node : view_.nodes()) {
    if (node.name() == options_.name || !is_up_or_leaving(node))
      continue;
    auto found = peers_.find(node.name());
    peer one{node.incarnation(), now_us, -1, false};
    if (found != peers_.end() && found->second.incarnation >= node.incarnation())
      one = found->second;
    if (was_away)
      one.heard_us = now_us;
    bool lapsed = one.incarnation == node.incarnation() && node.lease_until_us() <= view_.now_us();
    if (!lapsed)
      one.lapsed_us = -1;
    else if (one.lapsed_us < 0 || was_away)
      one.lapsed_us = looked_us_;
    all.emplace_hint(all.end(), node.name(), one);
  }
  peers_ = std::move(all);
}

bool member::is_missed(const v1::Node& node, std::int64_t now_us) const {
  auto found = peers_.find(node.name());
  if (found == peers_.end() || found->second.incarnation != node.incarnation())
    return false;
  const auto& one = found->second;
  auto limit_us = us_of(one.lost ? options_.lost_ms : options_.suspect_ms);
  return now_us - one.heard_us >= limit_us
         || (one.lapsed_us >= 0 && looked_us_ - one.lapsed_us >= us_of(options_.suspect_ms));
}

// Whether the lead is its own already, or may be free.
bool member::may_lead(std::int64_t now_us) const {
  if (view_.leader().empty() || view_.leader() == options_.name
      || ends_us(view_.leader_until_us()) <= now_us)
    return true;
  return std::none_of(view_.nodes().begin(), view_.nodes().end(), [&](const v1::Node& node) {
    return node.name() == view_.leader() && is_up_or_leaving(node);
  });
}

std::int64_t member::next_look_us(std::int64_t now_us) const {
  auto next = asked_us_ + us_of(options_.renew_ms);
  auto again = asked_us_ + us_of(options_.retry_ms);
  auto at_end = [&](std::int64_t database_us) {
    auto end = ends_us(database_us) + ended_us;
    next = std::min(next, std::max(end, end > now_us ? asked_us_ + look_min_us : again));
  };
  bool leading = leads(now_us);
  if (!leading)
    at_end(view_.leader_until_us());
  for (const auto& node : view_.nodes())
    if (leading && node.name() != options_.name && is_up_or_leaving(node)
        && (is_missed(node, now_us) || node.lease_until_us() <= view_.now_us()))
      at_end(node.lease_until_us());
  return next;
}

void member::wish_renewal(member_wishes& wishes, std::int64_t now_us) {
  if (renewing_ != 0 || now_us < not_before_us_
      || now_us < (look_again_ ? asked_us_ + look_min_us : next_look_us(now_us)))
    return;
  renewing_ = incarnation_;
  asked_us_ = now_us;
  look_again_ = false;
  auto& renew = wishes.renew.emplace();
  renew.set_name(options_.name);
  renew.set_incarnation(incarnation_);
  renew.set_lease_ms(options_.lease_ms);
  renew.set_leader_lease_ms(may_lead(now_us) ? options_.leader_lease_ms : 0);
  renew.set_known_version(view_.version());
}

void member::wish_change(member_wishes& wishes, std::int64_t now_us) {
  const auto* row = row_of(view_, options_.name);
  if (!leaving_ || now_us < not_before_us_ || row == nullptr || row->state() != v1::NODE_STATE_UP
      || (changed_us_ != 0 && now_us - changed_us_ < us_of(options_.renew_ms)))
    return;
  changed_us_ = now_us;
  auto& change = wishes.change.emplace();
  change.set_name(options_.name);
  change.set_incarnation(incarnation_);
  change.set_state(v1::NODE_STATE_LEAVING);
}

// The tables are to say what it suspects; an answer that was lost is no reason to believe they do.
void member::wish_report(member_wishes& wishes, std::int64_t now_us) {
  std::vector<v1::Suspicion> mine;
  for (const auto& node : view_.nodes())
    if (node.name() != options_.name && is_up_or_leaving(node) && is_missed(node, now_us)) {
      auto& one = mine.emplace_back();
      one.set_by(options_.name);
      one.set_node(node.name());
      one.set_incarnation(node.incarnation());
    }
  std::vector<v1::Suspicion> known;
  for (const auto& one : view_.suspicions())
    if (one.by() == options_.name)
      known.push_back(one);
  bool news = !same(mine, told_) && !same(mine, known);
  bool again = now_us - told_us_ >= us_of(options_.report_ms) && (!mine.empty() || !known.empty());
  if ((!news && !again) || now_us < not_before_us_)
    return;
  auto& report = wishes.report.emplace();
  report.set_by(options_.name);
  report.set_incarnation(incarnation_);
  for (const auto& one : mine)
    *report.add_suspicions() = one;
  told_ = std::move(mine);
  told_us_ = now_us;
}

void member::wish_decisions(member_wishes& wishes, std::int64_t now_us) {
  v1::LeaderClaim claim;
  claim.set_name(options_.name);
  claim.set_incarnation(incarnation_);
  wish_declarations(wishes, claim, now_us);
  if (now_us < not_before_us_
      || (planned_version_ == view_.version() && now_us - planned_us_ < us_of(options_.renew_ms)))
    return;
  planned_version_ = view_.version();
  planned_us_ = now_us;
  auto plan = plan_placement(view_, options_.placement);
  if (!plan.assign.empty()) {
    auto& assign = wishes.assign.emplace();
    *assign.mutable_leader() = claim;
    assign.mutable_assignments()->Assign(plan.assign.begin(), plan.assign.end());
  }
  if (!plan.moves.empty()) {
    auto& move = wishes.move.emplace();
    *move.mutable_leader() = claim;
    move.mutable_moves()->Assign(plan.moves.begin(), plan.moves.end());
  }
}

// Who did not renew, by the tables, and is missed by enough: they decide again when they are told.
void member::wish_declarations(member_wishes& wishes, const v1::LeaderClaim& claim,
                               std::int64_t now_us) {
  if (now_us < not_before_us_ || now_us - declared_us_ < us_of(options_.retry_ms))
    return;
  auto is_live = [&](const v1::Node& node) {
    return is_up_or_leaving(node) && node.lease_until_us() > view_.now_us();
  };
  for (const auto& node : view_.nodes()) {
    if (node.name() == options_.name || !is_up_or_leaving(node) || is_live(node))
      continue;
    std::ptrdiff_t live = 0;
    std::ptrdiff_t missing = 0;
    for (const auto& other : view_.nodes()) {
      if (!is_live(other) || &other == &node)
        continue;
      ++live;
      missing += other.name() == options_.name
                     ? is_missed(node, now_us)
                     : std::any_of(view_.suspicions().begin(), view_.suspicions().end(),
                                   [&](const v1::Suspicion& x) {
                                     return x.by() == other.name() && x.node() == node.name()
                                            && x.incarnation() == node.incarnation();
                                   });
    }
    if (missing < (live >= 2 ? 2 : 1))
      continue;
    declared_us_ = now_us;
    auto& declare = wishes.declare.emplace_back();
    *declare.mutable_leader() = claim;
    declare.set_name(node.name());
    declare.set_incarnation(node.incarnation());
  }
}

// -- what others may know -----------------------------------------------------

bool member::may_serve(std::int64_t now_us) const { return member_ && now_us < serves_until_us(); }

std::int64_t member::serves_until_us() const {
  return lease_until_us_ - us_of(options_.fence_margin_ms);
}

bool member::is_member() const { return member_; }

bool member::leads(std::int64_t now_us) const {
  return member_ && now_us < leader_until_us_ && view_.leader() == options_.name;
}

const v1::ClusterView& member::view() const { return view_; }

std::int64_t member::incarnation() const { return incarnation_; }

std::vector<std::string> member::suspects(std::int64_t now_us) const {
  std::vector<std::string> out;
  for (const auto& node : view_.nodes())
    if (node.name() != options_.name && is_up_or_leaving(node) && is_missed(node, now_us))
      out.push_back(node.name());
  return out;
}

} // namespace troupe
