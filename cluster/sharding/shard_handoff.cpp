// Shards that come to this node and leave it.
#include "cluster/sharding/shard_region.hpp"
#include "messages/log.hpp"

#include <caf/exit_reason.hpp>
#include <caf/send.hpp>

#include <algorithm>
#include <utility>

namespace troupe {

namespace {

using std::chrono::milliseconds;

constexpr milliseconds move_period{20}; // while shards move, or requests wait

void add_handing(v1::HandOverShards& to, const shard_change& change) {
  auto& shards = *to.mutable_shards();
  auto waits = std::find_if(shards.begin(), shards.end(),
                            [&](const auto& one) { return one.shard() == change.shard; });
  auto& one = waits == shards.end() ? *to.add_shards() : *waits;
  one.set_shard(change.shard);
  one.set_epoch(change.epoch);
  one.set_owner(change.target);
  one.set_incarnation(change.target_incarnation);
}

} // namespace

void shard_region_state::view(const ClusterView& news) {
  asked_for_news_ = false;
  if (news->nodes().empty()) {
    view_ = {};
    handing_.Clear();
    act(holder_.fence());
    return;
  }
  if (view_->version() > news->version())
    return;
  apart_us(); // it joined again, perhaps
  view_ = news;
  std::int64_t incarnation = 0;
  for (const auto& node : news->nodes())
    if (node.name() == options_.node)
      incarnation = node.incarnation();
  act(holder_.apply(*news, options_.node, incarnation, options_.boot_clock()));
  route_waiting();
}

void shard_region_state::peer_up(const PeerSeen& peer, const peer_actor& handle) {
  peers_[peer->name()] = {handle, peer->incarnation()};
  route_waiting();
}

void shard_region_state::peer_lost(const PeerLost& peer) {
  auto found = peers_.find(peer->name());
  if (found != peers_.end() && found->second.incarnation == peer->incarnation())
    peers_.erase(found);
}

void shard_region_state::act(const std::vector<shard_change>& changes) {
  using kind = shard_change::kind;
  for (const auto& change : changes) {
    switch (change.what) {
      case kind::open:
        open(change);
        break;
      case kind::leave:
        leaving_.push_back(change.shard);
        break;
      case kind::stay:
        std::erase(leaving_, change.shard);
        break;
      case kind::freeze:
        std::erase(leaving_, change.shard);
        freeze(change);
        break;
      case kind::hand:
        add_handing(handing_, change);
        break;
      case kind::close:
        options_.probe->lost.fetch_add(1, std::memory_order_relaxed);
        std::erase(leaving_, change.shard);
        close(change.shard);
        break;
      case kind::release:
        options_.probe->handoffs.fetch_add(1, std::memory_order_relaxed);
        close(change.shard);
        break;
    }
  }
  hand_over();
  count();
  if (holder_.moving() > 0)
    arm();
}

void shard_region_state::open(const shard_change& change) {
  close(change.shard);
  v1::ShardClaim claim;
  claim.set_shard(change.shard);
  claim.set_epoch(change.epoch);
  regions_[static_cast<std::size_t>(change.shard)] = options_.open_shard(claim);
  options_.probe->taken.fetch_add(1, std::memory_order_relaxed);
}

void shard_region_state::close(int shard) {
  auto& region = regions_[static_cast<std::size_t>(shard)];
  if (region)
    self_->send_exit(region, caf::exit_reason::user_shutdown);
  region = session_region_actor{};
}

// What runs ends, or is taken up by the next owner from what is durable of it.
void shard_region_state::freeze(const shard_change& change) {
  v1::DrainRegion drain;
  drain.set_deadline_us(options_.clock->now_us() + options_.drain_limit_ms * 1'000);
  auto shard = change.shard;
  auto epoch = change.epoch;
  auto emptied = [this, shard, epoch] {
    if (holder_.epoch(shard) != epoch || holder_.phase(shard) != shard_phase::frozen)
      return;
    close(shard);
    act(holder_.emptied(shard, options_.boot_clock()));
  };
  limited(options_.alarms, self_, regions_[static_cast<std::size_t>(shard)],
          milliseconds{options_.drain_limit_ms + 1'000}, DrainRegion{std::move(drain)})
      .then([emptied](const Done&) { emptied(); }, [emptied](const caf::error&) { emptied(); });
}

// One command at a time: shards are emptied one by one, and each command reads and writes the
// tables as a whole. What comes meanwhile goes with the next one.
void shard_region_state::hand_over() {
  if (handing_asked_ || handing_.shards_size() == 0)
    return;
  handing_asked_ = true;
  HandOverShards message{std::exchange(handing_, {})};
  limited(options_.alarms, self_, options_.membership, milliseconds{5'000}, message)
      .then(
          [this](const ClusterView& now) {
            handing_asked_ = false;
            view(now);
            hand_over();
          },
          [this, message](const caf::error& err) {
            handing_asked_ = false;
            log_warn("handoff_failed",
                     {{"shards", message->shards_size()}, {"error", describe(err)}});
            for (const auto& one : message->shards())
              holder_.hand_failed(one.shard());
            arm();
            hand_over();
          });
}

// A shard in which nothing runs can go without anybody noticing.
void shard_region_state::look_at_leaving() {
  for (auto shard : leaving_) {
    const auto& region = regions_[static_cast<std::size_t>(shard)];
    if (!region)
      continue;
    auto epoch = holder_.epoch(shard);
    limited(options_.alarms, self_, region, milliseconds{1'000}, GetRegionStatus{})
        .then(
            [this, shard, epoch](const RegionStatus& status) {
              if (status->turns_running() == 0 && status->turns_queued() == 0
                  && holder_.epoch(shard) == epoch)
                act(holder_.quiet(shard, options_.boot_clock()));
            },
            [](const caf::error&) {});
  }
}

void shard_region_state::look_again() {
  if (asked_for_news_)
    return;
  asked_for_news_ = true;
  self_->send(options_.membership, ShardsChanged{});
}

void shard_region_state::arm() {
  if (armed_)
    return;
  armed_ = true;
  v1::Tick tick;
  tick.set_kind(move_tick);
  self_->delayed_send(self_, move_period, Tick{std::move(tick)});
}

void shard_region_state::tick(const Tick&) {
  armed_ = false;
  asked_for_news_ = false;
  act(holder_.tick(options_.boot_clock()));
  look_at_leaving();
  route_waiting();
  if (holder_.moving() > 0 || !waiting_.empty())
    arm();
}

void shard_region_state::count() {
  auto& probe = *options_.probe;
  probe.owned.store(holder_.count(), std::memory_order_relaxed);
  probe.moving.store(holder_.moving(), std::memory_order_relaxed);
  probe.waiting.store(static_cast<std::int64_t>(waiting_.size()), std::memory_order_relaxed);
}

// -- all shards of this node --------------------------------------------------

namespace {

/// Waits for the answers of many and gives one.
template <class Answer>
struct gathered {
  owed<Answer> answer;
  typename Answer::proto_type sum;
  int left = 1; // one is the asker's own

  void one_less() {
    if (--left == 0)
      answer.give(Answer{std::move(sum)});
  }
};

} // namespace

caf::result<RegionStatus> shard_region_state::status() {
  auto all = std::make_shared<gathered<RegionStatus>>();
  all->answer = owed<RegionStatus>{self_->make_response_promise<RegionStatus>()};
  auto promise = all->answer.promise();
  for (const auto& region : regions_) {
    if (!region)
      continue;
    ++all->left;
    limited(options_.alarms, self_, region, milliseconds{1'000}, GetRegionStatus{})
        .then(
            [all](const RegionStatus& one) {
              all->sum.set_sessions_live(all->sum.sessions_live() + one->sessions_live());
              all->sum.set_turns_running(all->sum.turns_running() + one->turns_running());
              all->sum.set_turns_queued(all->sum.turns_queued() + one->turns_queued());
              all->one_less();
            },
            [all](const caf::error&) { all->one_less(); });
  }
  all->one_less();
  return promise;
}

caf::result<Done> shard_region_state::drain(const DrainRegion& command) {
  auto all = std::make_shared<gathered<Done>>();
  all->answer = owed<Done>{self_->make_response_promise<Done>()};
  auto promise = all->answer.promise();
  auto limit = milliseconds{
      std::max<std::int64_t>((command->deadline_us() - options_.clock->now_us()) / 1'000, 0)
      + 1'000};
  for (const auto& region : regions_) {
    if (!region)
      continue;
    ++all->left;
    limited(options_.alarms, self_, region, limit, command)
        .then([all](const Done&) { all->one_less(); },
              [all](const caf::error&) { all->one_less(); });
  }
  all->one_less();
  return promise;
}

} // namespace troupe
