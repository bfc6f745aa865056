// The shards' region of a simulated node, and its sessions.
#include "tests/support/simulated_node.hpp"

#include <algorithm>
#include <utility>

namespace troupe::test {

namespace {

constexpr std::int64_t ms = 1'000;
constexpr std::int64_t move_us = 20 * ms;
constexpr std::int64_t answer_us_max = 150 * ms; // a request takes no longer, once it is let in
constexpr std::int64_t drain_limit_us = 2'000 * ms;

} // namespace

bool simulated_node::may_serve() const {
  bool mine =
      lease_incarnation_ == holder_->incarnation() || world().options.bug == planted_bug::any_lease;
  return alive_ && mine && clock() < lease_until_us_;
}

bool simulated_node::serves(int shard, std::int64_t epoch) const {
  return may_serve() && holder_->serves(shard, epoch);
}

// -- shards that come and go --------------------------------------------------

void simulated_node::region_hears(std::function<void()> work) {
  auto delay = world().random.chance(20) ? 40 * ms : 500;
  region_at_us_ = std::max(region_at_us_, now() + world().random.between(0, delay));
  later(region_at_us_ - now(), std::move(work));
}

void simulated_node::region_view(const v1::ClusterView& view) {
  std::int64_t incarnation = 0;
  for (const auto& row : view.nodes())
    if (row.name() == name_)
      incarnation = row.incarnation();
  if (view.version() >= region_view_.version())
    region_view_ = view;
  act(holder_->apply(view, name_, incarnation, clock()));
}

void simulated_node::act(const std::vector<shard_change>& changes) {
  using kind = shard_change::kind;
  for (const auto& change : changes) {
    auto shard = change.shard;
    switch (change.what) {
      case kind::open:
        close(shard);
        break;
      case kind::leave:
        leaving_.push_back(shard);
        break;
      case kind::stay:
        std::erase(leaving_, shard);
        break;
      case kind::freeze:
        std::erase(leaving_, shard);
        empty(shard, change.epoch, drain_limit_us);
        break;
      case kind::hand:
        world().trace("{} hands shard {}@{} to {}", name_, shard, change.epoch, change.target);
        handing_[shard] = change;
        break;
      case kind::release:
        ++cluster_.counted.handoffs;
        [[fallthrough]];
      case kind::close:
        std::erase(leaving_, shard);
        close(shard);
        break;
    }
  }
  hand_over();
  if (!changes.empty())
    cluster_.check_node(*this);
}

void simulated_node::close(int shard) {
  at(shard) = {world().random.next(), 0, false, std::nullopt};
}

void simulated_node::empty(int shard, std::int64_t epoch, std::int64_t limit_us) {
  later(world().random.between(1 * ms, 20 * ms), [this, shard, epoch, limit_us] {
    if (holder_->epoch(shard) != epoch || holder_->phase(shard) != shard_phase::frozen)
      return;
    if (at(shard).running > 0 && limit_us > 0) {
      empty(shard, epoch, limit_us - 20 * ms);
      return;
    }
    close(shard);
    act(holder_->emptied(shard, clock()));
  });
}

void simulated_node::region_tick() {
  later(move_us, [this] { region_tick(); });
  if (holder_->moving() == 0)
    return;
  act(holder_->tick(clock()));
  for (auto shard : std::vector<int>{leaving_})
    if (at(shard).running == 0)
      act(holder_->quiet(shard, clock()));
}

// -- sessions -----------------------------------------------------------------

void simulated_node::client_request(int shard) {
  enter([this, shard] {
    if (serves(shard, holder_->epoch(shard))) {
      serve(shard);
      return;
    }
    if (shard >= region_view_.shards_size())
      return;
    const auto& row = region_view_.shards(shard);
    tell(row.owner(), [shard, epoch = row.epoch()](simulated_node& owner) {
      if (owner.joined() && owner.serves(shard, epoch))
        owner.serve(shard);
    });
  });
}

void simulated_node::serve(int shard) {
  auto& here = at(shard);
  auto epoch = holder_->epoch(shard);
  if (world().random.chance(600)) {
    ++here.running;
    read(shard, here.session, epoch);
  } else if (!here.writes) {
    ++here.running;
    here.writes = true;
    write(shard, here.session, epoch);
  }
}

// The session takes what it knows from its memory, or from the database the first time, and writes
// what follows from it. The database may see the write at any time later.
void simulated_node::write(int shard, std::uint64_t session, std::int64_t epoch) {
  if (!at(shard).cached)
    at(shard).cached = cluster_.stored(shard);
  auto value = *at(shard).cached + 1;
  auto done = [this, shard, session](bool good, std::int64_t written) {
    auto& here = at(shard);
    if (here.session != session)
      return;
    --here.running;
    here.writes = false;
    here.cached = good ? std::optional{written} : std::nullopt;
  };
  auto delay = world().database_delay_us() + (world().random.chance(20) ? 3'000 * ms : 0);
  world().after(delay, [this, shard, epoch, value, done, process = process_] {
    bool good = !world().database_refuses();
    if (good) {
      try {
        cluster_.commit(*this, shard, epoch, value);
      } catch (const persistence::failure&) {
        good = false;
      }
    }
    if (process == process_)
      later(world().random.between(100, 2 * ms), [done, good, value] { done(good, value); });
  });
}

// Answered from memory, some time after the lease was looked at; again after a pause.
void simulated_node::read(int shard, std::uint64_t session, std::int64_t epoch) {
  auto pauses = pauses_;
  later(world().random.between(0, answer_us_max), [this, shard, session, epoch, pauses] {
    auto& here = at(shard);
    if (here.session != session)
      return;
    --here.running;
    if (pauses == pauses_ || serves(shard, epoch))
      cluster_.answer(*this, shard, epoch);
  });
}

} // namespace troupe::test
