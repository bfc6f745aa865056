#include "cluster/membership/membership.hpp"

#include "messages/log.hpp"

#include <algorithm>

namespace troupe {

namespace {

using std::chrono::milliseconds;

constexpr milliseconds tick_period{25};

} // namespace

membership_state::~membership_state() {
  if (options_.lease)
    options_.lease->end();
}

void membership_state::start(membership_options options) {
  options_ = std::move(options);
  if (!options_.alarms)
    options_.alarms = alarms::make(options_.host, milliseconds{10});
  member_ = std::make_unique<member>(options_.member);
  member_->joined(options_.joined, options_.asked_us);
  options_.probe->joins.fetch_add(1, std::memory_order_relaxed);
  publish();
  arm();
}

void membership_state::arm() { self_->delayed_send(self_, tick_period, Tick{v1::Tick{}}); }

template <class Answer, class Command>
void membership_state::ask(Command command, std::function<void(const Answer&)> on_answer,
                           std::function<void(ec)> on_error) {
  // A renewal goes before whatever waits at the authority: the lease ends meanwhile.
  constexpr auto priority = std::is_same_v<Command, v1::RenewLease> ? caf::message_priority::high
                                                                    : caf::message_priority::normal;
  auto response = self_->template request<priority>(options_.authority, caf::infinite,
                                                    payload<Command>{std::move(command)});
  auto ticket = options_.alarms->fail(caf::strong_actor_ptr{self_->ctrl()},
                                      milliseconds{options_.authority_limit_ms}, response.id());
  limited_response<decltype(response)>{std::move(response), options_.alarms, ticket}.then(
      [on_answer = std::move(on_answer)](const Answer& answer) { on_answer(answer); },
      [on_error = std::move(on_error)](const caf::error& err) { on_error(info(err).code); });
}

// -- what came in -------------------------------------------------------------

void membership_state::seen(const PeerSeen& peer) {
  member_->heard(peer->name(), peer->incarnation(), options_.boot_clock());
}

void membership_state::lost(const PeerLost& peer) {
  member_->lost(peer->name(), peer->incarnation(), options_.boot_clock());
}

void membership_state::look_again() { member_->look_again(); }

caf::result<ClusterView> membership_state::get() const { return ClusterView{member_->view()}; }

caf::result<ClusterView> membership_state::hand_over(const HandOverShards& command) {
  owed<ClusterView> answer{self_->make_response_promise<ClusterView>()};
  auto promise = answer.promise();
  auto whole = *command;
  whole.set_name(options_.member.name);
  whole.set_incarnation(member_->incarnation());
  ask<ClusterView>(
      std::move(whole),
      [this, answer](const ClusterView& view) {
        changed(view);
        answer.give(view);
      },
      [answer](ec code) { answer.fail(make_error(code, "the shards were not handed over")); });
  return promise;
}

void membership_state::learned(const ClusterView& view) {
  member_->viewed(*view);
  publish();
}

// The answer to a command of this node's own. It may have seen what it changed already; the others
// are told of it all the same.
void membership_state::changed(const ClusterView& view) {
  learned(view);
  if (view->version() <= told_version_)
    return;
  told_version_ = view->version();
  if (options_.on_change)
    options_.on_change(told_version_);
}

// Tells of what is new; of a fence at once.
void membership_state::publish() {
  options_.lease->set(member_->is_member() ? member_->serves_until_us() : 0,
                      member_->incarnation());
  options_.probe->leads.store(member_->leads(options_.boot_clock()), std::memory_order_relaxed);
  if (!member_->is_member()) {
    if (published_incarnation_ != 0) {
      options_.probe->fenced.fetch_add(1, std::memory_order_relaxed);
      log_error("node_fenced",
                {{"node", options_.member.name},
                 {"advice", "others took its shards while it did not answer; it joins again"}});
      published_incarnation_ = 0;
      published_version_ = -1;
      options_.on_view(ClusterView{});
    }
    return;
  }
  const auto& view = member_->view();
  if (view.version() == published_version_ && member_->incarnation() == published_incarnation_)
    return;
  published_version_ = view.version();
  published_incarnation_ = member_->incarnation();
  options_.on_view(ClusterView{view});
}

// -- what is to be done -------------------------------------------------------

void membership_state::tick() {
  arm();
  auto now = options_.boot_clock();
  bool serves = member_->may_serve(now);
  if (!serves && !lapsed_ && member_->is_member()) {
    options_.probe->lapses.fetch_add(1, std::memory_order_relaxed);
    log_warn("lease_lapsed", {{"node", options_.member.name},
                              {"advice", "the database did not answer in time: until it does, "
                                         "this node answers for no conversation"}});
  } else if (serves && lapsed_) {
    log_info("lease_renewed_again", {{"node", options_.member.name}});
  }
  lapsed_ = !serves && member_->is_member();
  carry_out(member_->tick(now));
  check_left();
}

void membership_state::carry_out(member_wishes wishes) {
  if (wishes.rejoin)
    join_again();
  if (wishes.renew)
    renew(std::move(*wishes.renew));
  if (wishes.report) {
    if (wishes.report->suspicions_size() > 0)
      options_.probe->suspicions.fetch_add(1, std::memory_order_relaxed);
    ask<Done>(
        std::move(*wishes.report), [](const Done&) {},
        [this](ec code) { member_->command_failed(code, options_.boot_clock()); });
  }
  auto decide = [this](auto command) {
    ask<ClusterView>(
        std::move(command), [this](const ClusterView& view) { changed(view); },
        [this](ec code) { member_->command_failed(code, options_.boot_clock()); });
  };
  if (wishes.change)
    decide(std::move(*wishes.change));
  for (auto& dead : wishes.declare) {
    options_.probe->declared_dead.fetch_add(1, std::memory_order_relaxed);
    log_warn("node_missed", {{"node", dead.name()}, {"incarnation", dead.incarnation()}});
    decide(std::move(dead));
  }
  if (wishes.assign) {
    log_info("shards_assigned", {{"count", wishes.assign->assignments_size()}});
    decide(std::move(*wishes.assign));
  }
  if (wishes.move)
    decide(std::move(*wishes.move));
}

void membership_state::renew(v1::RenewLease command) {
  if (renewing_)
    return;
  renewing_ = true;
  auto asked_us = options_.boot_clock();
  ask<ClusterView>(
      std::move(command),
      [this, asked_us](const ClusterView& view) {
        renewing_ = false;
        options_.probe->renewals.fetch_add(1, std::memory_order_relaxed);
        member_->renewed(*view, asked_us);
        publish();
      },
      [this](ec code) {
        renewing_ = false;
        options_.probe->renewals_failed.fetch_add(1, std::memory_order_relaxed);
        member_->renew_failed(code, options_.boot_clock());
        publish();
      });
}

void membership_state::join_again() {
  if (joining_ || leaving_)
    return;
  joining_ = true;
  auto asked_us = options_.boot_clock();
  auto again = options_.join;
  auto& node = *again.mutable_node();
  node.set_incarnation(member_->incarnation());
  // Where it serves was told after it first joined.
  for (const auto& known : member_->view().nodes())
    if (known.name() == node.name()) {
      node.set_url(known.url());
      node.set_ops_url(known.ops_url());
    }
  ask<ClusterJoined>(
      std::move(again),
      [this, asked_us](const ClusterJoined& answer) {
        joining_ = false;
        options_.probe->joins.fetch_add(1, std::memory_order_relaxed);
        log_info("node_joined_again",
                 {{"node", options_.member.name}, {"incarnation", answer->node().incarnation()}});
        member_->joined(*answer, asked_us);
        publish();
      },
      [this](ec code) {
        joining_ = false;
        log_warn("join_failed", {{"node", options_.member.name}, {"error", to_string(code)}});
      });
}

// -- leaving ------------------------------------------------------------------

caf::result<Done> membership_state::leave(const LeaveCluster& command) {
  owed<Done> answer{self_->make_response_promise<Done>()};
  auto promise = answer.promise();
  leavers_.push_back(std::move(answer));
  auto limit_us = std::max<std::int64_t>(command->deadline_us() - options_.clock->now_us(), 0);
  auto by_us = options_.boot_clock() + limit_us;
  leave_by_us_ = leaving_ ? std::min(leave_by_us_, by_us) : by_us;
  if (!leaving_) {
    leaving_ = true;
    member_->leave();
  }
  return promise;
}

bool membership_state::has_shards() const {
  const auto& view = member_->view();
  bool others = std::any_of(view.nodes().begin(), view.nodes().end(), [&](const v1::Node& x) {
    return x.name() != options_.member.name && x.state() == v1::NODE_STATE_UP
           && std::find(x.roles().begin(), x.roles().end(), "session") != x.roles().end();
  });
  return others && std::any_of(view.shards().begin(), view.shards().end(), [&](const auto& x) {
           return x.owner() == options_.member.name && x.incarnation() == member_->incarnation();
         });
}

void membership_state::check_left() {
  if (!leaving_ || leavers_.empty())
    return;
  bool late = options_.boot_clock() >= leave_by_us_;
  if (member_->is_member() && has_shards() && !late)
    return;
  if (late && has_shards())
    log_warn("left_with_shards", {{"node", options_.member.name}});
  for (const auto& leaver : leavers_)
    leaver.give(Done{});
  leavers_.clear();
}

// clang-format off
membership_state::interface::behavior_type membership(membership_state::pointer self,
                                                      membership_options options) {
  auto& st = self->state;
  st.start(std::move(options));
  return {
      [&st](const PeerSeen& x) { st.seen(x); },
      [&st](const PeerLost& x) { st.lost(x); },
      [&st](const ShardsChanged&) { st.look_again(); },
      [&st](const HandOverShards& x) { return st.hand_over(x); },
      [&st](const LeaveCluster& x) { return st.leave(x); },
      [&st](const GetCluster&) { return st.get(); },
      [&st](const Tick&) { st.tick(); },
  };
}
// clang-format on

} // namespace troupe
