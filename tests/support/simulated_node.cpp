#include "tests/support/simulated_node.hpp"

#include <algorithm>
#include <type_traits>
#include <utility>

namespace troupe::test {

namespace {

constexpr std::int64_t ms = 1'000;
constexpr std::int64_t tick_us = 25 * ms;
constexpr std::int64_t beat_us = 200 * ms;
constexpr std::int64_t authority_limit_us = 1'000 * ms;
constexpr std::int64_t lease_ms = 1'200;

} // namespace

simulated_node::simulated_node(simulated_cluster& cluster, int index) :
    cluster_(cluster), index_(index), name_(fmt::format("n{}", index)) {
  clock_base_us_ = world().random.between(1, 1'000'000) * ms;
  drift_ppm_ = world().random.between(-500, 500);
}

std::int64_t simulated_node::clock() const {
  return clock_base_us_ + now() + now() * drift_ppm_ / 1'000'000;
}

// -- a process ----------------------------------------------------------------

void simulated_node::start(bool new_identity) {
  ++process_;
  alive_ = true;
  paused_until_ = 0;
  backlog_.clear();
  if (new_identity || identity_.empty())
    identity_ = fmt::format("{}-{}", name_, process_);
  world().trace("{} starts as {}", name_, identity_);
  member_options options;
  options.name = name_;
  if (world().options.bug == planted_bug::no_fence_margin)
    options.fence_margin_ms = 0;
  options.placement.moves_max = 4;
  self_ = std::make_unique<member>(options);
  shard_holder_options holding;
  holding.leave_limit_ms = 1'000;
  holding.frozen_max = 3;
  holder_ = std::make_unique<shard_holder>(holding);
  renewing_ = joining_ = false;
  leave_by_us_ = lease_until_us_ = lease_incarnation_ = published_incarnation_ = region_at_us_ = 0;
  published_version_ = told_version_ = -1;
  region_view_.Clear();
  slots_.assign(static_cast<std::size_t>(cluster_.shards), {});
  leaving_.clear();
  handing_.clear();
  handing_asked_ = false;
  join();
}

void simulated_node::kill() {
  if (!alive_)
    return;
  world().trace("{} is killed", name_);
  alive_ = false;
  ++process_;
  backlog_.clear();
  auto incarnation = self_->incarnation();
  for (const auto& other : cluster_.nodes)
    if (other->alive() && world().random.chance(700) && world().passes(index_, other->index_))
      other->later(world().random.between(1 * ms, 10 * ms), [to = other.get(), this, incarnation] {
        to->self_->lost(name_, incarnation, to->clock());
      });
}

void simulated_node::pause(std::int64_t us) {
  world().trace("{} is stopped for {} ms", name_, us / ms);
  paused_until_ = now() + us;
  ++pauses_;
  world().after(us, [this, process = process_] {
    if (process == process_ && !paused())
      wake();
  });
}

void simulated_node::wake() {
  paused_until_ = 0;
  world().trace("{} wakes", name_);
  auto process = process_;
  for (auto all = std::exchange(backlog_, {}); !all.empty() && process == process_; all.pop_front())
    enter(std::move(all.front()));
}

void simulated_node::later(std::int64_t us, std::function<void()> work) {
  world().after(us, [this, process = process_, work = std::move(work)]() mutable {
    if (process == process_ && alive_)
      enter(std::move(work));
  });
}

void simulated_node::enter(std::function<void()> work) {
  if (paused())
    backlog_.push_back(std::move(work));
  else
    work();
}

void simulated_node::tell(const std::string& to, std::function<void(simulated_node&)> work) {
  for (const auto& other : cluster_.nodes)
    if (other->name() == to && other->alive() && world().passes(index_, other->index_))
      other->later(world().delay_us(),
                   [node = other.get(), work = std::move(work)] { work(*node); });
}

// -- the database -------------------------------------------------------------

struct simulated_node::call {
  bool done = false;
  std::function<void(ec)> bad;
};

template <class Answer, class Command>
ec simulated_node::execute(const Command& command,
                           Answer (*work)(persistence::cluster_repository&, const Command&),
                           Answer& answer) {
  if (world().database_refuses())
    return ec::store_unavailable;
  auto& tables = world().tables;
  auto before = tables.changes();
  const v1::DeclareDead* declared = nullptr;
  bool allowed = false;
  if constexpr (std::is_same_v<Command, v1::DeclareDead>) {
    declared = &command;
    allowed = cluster_.may_declare(command);
    if (world().options.bug == planted_bug::hasty_leader) {
      auto row = tables.find_node(command.name());
      row->set_state(v1::NODE_STATE_DEAD);
      tables.put_node(*row);
      allowed = true;
    }
  }
  try {
    answer = tables.transact([&](auto& repository) { return work(repository, command); });
  } catch (const persistence::failure& error) {
    world().trace("  refused: {}", error.what());
    return error.code;
  }
  if (tables.changes() != before)
    cluster_.check_tables(declared, allowed);
  return ec::none;
}

template <class Answer, class Command>
void simulated_node::ask(Command command,
                         Answer (*work)(persistence::cluster_repository&, const Command&),
                         std::function<void(const Answer&)> good, std::function<void(ec)> bad,
                         bool late) {
  auto call = std::make_shared<struct call>();
  call->bad = std::move(bad);
  later(authority_limit_us, [call] {
    if (!std::exchange(call->done, true))
      call->bad(ec::deadline_exceeded);
  });
  if (!world().reaches_database(index_))
    return;
  auto delay = [this, late] {
    auto us = world().database_delay_us();
    return late ? us : std::min(us, authority_limit_us * 4 / 10);
  };
  auto arrive = [this, call, work, delay, process = process_, command = std::move(command),
                 good = std::move(good), late] {
    if (!late && process != process_)
      return; // the connection ended with its process
    auto answer = std::make_shared<Answer>();
    auto code = execute(command, work, *answer);
    if (!world().answer_reaches(index_) || process != process_)
      return;
    later(delay(), [call, answer, code, good] {
      if (std::exchange(call->done, true))
        return;
      if (code == ec::none)
        good(*answer);
      else
        call->bad(code);
    });
  };
  world().after(delay(), std::move(arrive));
}

// -- the membership actor -----------------------------------------------------

void simulated_node::join() {
  if (joining_)
    return;
  joining_ = true;
  v1::JoinCluster command;
  auto& node = *command.mutable_node();
  node.set_name(name_);
  node.set_identity(identity_);
  node.set_incarnation(self_->incarnation());
  node.add_roles("session");
  node.set_capacity(1 + index_ % 3);
  command.set_lease_ms(lease_ms);
  command.set_leader_lease_ms(lease_ms);
  command.set_shards(cluster_.shards);
  bool first = self_->incarnation() == 0;
  ask<v1::ClusterJoined>(
      std::move(command), persistence::join_cluster,
      [this, asked_us = clock()](const v1::ClusterJoined& answer) { joined(answer, asked_us); },
      [this, first](ec) {
        joining_ = false;
        if (first)
          later(300 * ms, [this] { join(); });
      },
      !first);
}

void simulated_node::joined(const v1::ClusterJoined& answer, std::int64_t asked_us) {
  joining_ = false;
  bool first = self_->incarnation() == 0;
  self_->joined(answer, asked_us);
  world().trace("{} joined as incarnation {}", name_, self_->incarnation());
  publish();
  if (first) {
    tick();
    beat();
    region_tick();
  }
}

void simulated_node::learned(const v1::ClusterView& view) {
  // What it changed it tells the others; what it only heard of it does not.
  if (view.version() > std::exchange(told_version_, std::max(told_version_, view.version())))
    for (const auto& row : view.nodes())
      if (row.name() != name_ && row.state() < v1::NODE_STATE_LEFT)
        tell(row.name(), [](simulated_node& to) { to.self_->look_again(); });
  self_->viewed(view);
  publish();
}

void simulated_node::publish() {
  lease_until_us_ = 0;
  lease_incarnation_ = self_->incarnation();
  lease_until_us_ = self_->is_member() ? self_->serves_until_us() : 0;
  if (!self_->is_member()) {
    if (std::exchange(published_incarnation_, 0) != 0) {
      world().trace("{} is fenced", name_);
      ++cluster_.counted.fences;
      published_version_ = -1;
      region_hears([this] {
        region_view_.Clear();
        handing_.clear();
        act(holder_->fence());
      });
    }
  } else if (self_->view().version() != published_version_
             || self_->incarnation() != published_incarnation_) {
    published_version_ = self_->view().version();
    published_incarnation_ = self_->incarnation();
    region_hears([this, view = self_->view()] { region_view(view); });
  }
  cluster_.check_node(*this);
}

void simulated_node::tick() {
  later(tick_us, [this] { tick(); });
  carry_out(self_->tick(clock()));
  check_left();
}

void simulated_node::beat() {
  later(beat_us, [this] { beat(); });
  if (!self_->is_member())
    return;
  for (const auto& row : self_->view().nodes())
    if (row.name() != name_ && row.state() < v1::NODE_STATE_LEFT)
      tell(row.name(), [from = name_, incarnation = self_->incarnation()](simulated_node& to) {
        to.self_->heard(from, incarnation, to.clock());
      });
}

void simulated_node::carry_out(member_wishes wishes) {
  if (wishes.rejoin)
    join();
  if (wishes.renew)
    renew(std::move(*wishes.renew));
  if (wishes.report)
    ask<v1::Done>(
        std::move(*wishes.report), persistence::report_suspicions, [](const v1::Done&) {},
        [this](ec code) { self_->command_failed(code, clock()); });
  if (world().options.bug == planted_bug::hasty_leader && self_->leads(clock()))
    for (const auto& name : self_->suspects(clock())) {
      auto& declare = wishes.declare.emplace_back();
      declare.mutable_leader()->set_name(name_);
      declare.mutable_leader()->set_incarnation(self_->incarnation());
      declare.set_name(name);
      for (const auto& row : self_->view().nodes())
        if (row.name() == name)
          declare.set_incarnation(row.incarnation());
    }
  decide(wishes);
}

void simulated_node::decide(member_wishes& wishes) {
  auto good = [this](const v1::ClusterView& view) { learned(view); };
  auto bad = [this](ec code) { self_->command_failed(code, clock()); };
  if (wishes.change)
    ask<v1::ClusterView>(std::move(*wishes.change), persistence::change_node_state, good, bad);
  for (auto& declare : wishes.declare)
    ask<v1::ClusterView>(std::move(declare), persistence::declare_dead, good, bad);
  if (wishes.assign)
    ask<v1::ClusterView>(std::move(*wishes.assign), persistence::assign_shards, good, bad);
  if (wishes.move)
    ask<v1::ClusterView>(std::move(*wishes.move), persistence::move_shards, good, bad);
}

void simulated_node::renew(v1::RenewLease command) {
  if (renewing_)
    throw violation(fmt::format("{} wishes two renewals at a time", name_));
  renewing_ = true;
  ask<v1::ClusterView>(
      std::move(command), persistence::renew_lease,
      [this, asked_us = clock()](const v1::ClusterView& view) {
        renewing_ = false;
        self_->renewed(view, asked_us);
        publish();
      },
      [this](ec code) {
        renewing_ = false;
        self_->renew_failed(code, clock());
        publish();
      });
}

void simulated_node::hand_over() {
  if (handing_asked_ || handing_.empty())
    return;
  handing_asked_ = true;
  auto changes = std::exchange(handing_, {});
  v1::HandOverShards command;
  command.set_name(name_);
  command.set_incarnation(self_->incarnation());
  for (const auto& [shard, change] : changes) {
    auto& one = *command.add_shards();
    one.set_shard(shard);
    one.set_epoch(change.epoch);
    one.set_owner(change.target);
    one.set_incarnation(change.target_incarnation);
  }
  ask<v1::ClusterView>(
      std::move(command), persistence::hand_over_shards,
      [this](const v1::ClusterView& view) {
        learned(view);
        region_hears([this, view] {
          handing_asked_ = false;
          region_view(view);
          hand_over();
        });
      },
      [this, changes](ec) {
        region_hears([this, changes] {
          handing_asked_ = false;
          for (const auto& [shard, change] : changes)
            holder_->hand_failed(shard);
          hand_over();
        });
      });
}

void simulated_node::leave(std::int64_t limit_us) {
  world().trace("{} leaves", name_);
  leave_by_us_ = clock() + limit_us;
  later(0, [this] { self_->leave(); });
}

void simulated_node::check_left() {
  if (!leaving())
    return;
  const auto& view = self_->view();
  bool others = !placement_nodes(view).empty();
  bool has_shards = std::any_of(view.shards().begin(), view.shards().end(), [&](const auto& x) {
    return x.owner() == name_ && x.incarnation() == self_->incarnation();
  });
  if (self_->is_member() && has_shards && others && clock() < leave_by_us_)
    return;
  world().trace("{} has left", name_);
  alive_ = false; // its sessions are gone before the tables hear that it left
  v1::ChangeNodeState change;
  change.set_name(name_);
  change.set_incarnation(self_->incarnation());
  change.set_state(v1::NODE_STATE_LEFT);
  ask<v1::ClusterView>(
      std::move(change), persistence::change_node_state, [](const v1::ClusterView&) {}, [](ec) {});
  ++process_;
}

} // namespace troupe::test
