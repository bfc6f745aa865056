#include "cluster/sharding/shard_holder.hpp"

#include <algorithm>
#include <utility>

namespace troupe {

namespace {

using kind = shard_change::kind;

bool is_moving(shard_phase phase) {
  return phase != shard_phase::absent && phase != shard_phase::owned;
}

bool is_frozen(shard_phase phase) {
  return phase == shard_phase::frozen || phase == shard_phase::handing;
}

std::int64_t incarnation_of(const v1::ClusterView& view, std::string_view name) {
  auto found = std::find_if(view.nodes().begin(), view.nodes().end(),
                            [&](const v1::Node& x) { return x.name() == name; });
  return found == view.nodes().end() ? 0 : found->incarnation();
}

} // namespace

shard_holder::shard_holder(shard_holder_options options) : options_(options) {}

const shard_holder::held* shard_holder::find(int shard) const {
  return shard < 0 || shard >= static_cast<int>(shards_.size())
             ? nullptr
             : &shards_[static_cast<std::size_t>(shard)];
}

shard_holder::held* shard_holder::find(int shard, shard_phase phase) {
  auto* one = const_cast<held*>(std::as_const(*this).find(shard));
  return one != nullptr && one->phase == phase ? one : nullptr;
}

void shard_holder::set_phase(held& one, shard_phase phase) {
  auto counted = [](auto test, shard_phase from, shard_phase to) {
    return static_cast<int>(test(to)) - static_cast<int>(test(from));
  };
  count_ += counted([](shard_phase x) { return x != shard_phase::absent; }, one.phase, phase);
  moving_ += counted(is_moving, one.phase, phase);
  frozen_ += counted(is_frozen, one.phase, phase);
  one.phase = phase;
}

std::vector<shard_change> shard_holder::apply(const v1::ClusterView& view, std::string_view name,
                                              std::int64_t incarnation, std::int64_t now_us) {
  std::vector<shard_change> changes;
  if (view.version() < version_ || incarnation <= fenced_incarnation_)
    return changes;
  version_ = view.version();
  name_ = name;
  incarnation_ = incarnation;
  for (const auto& row : view.shards()) {
    if (row.id() < 0)
      continue;
    auto index = static_cast<std::size_t>(row.id());
    bool mine = row.incarnation() == incarnation && row.owner() == name;
    if (index >= shards_.size()) {
      if (!mine)
        continue;
      shards_.resize(index + 1);
    }
    auto& one = shards_[index];
    if (mine) {
      update(row.id(), one, row, view, now_us, changes);
    } else if (one.phase != shard_phase::absent) {
      auto what = one.phase == shard_phase::handing ? kind::release : kind::close;
      changes.push_back({what, row.id(), one.epoch, row.owner(), row.incarnation()});
      set_phase(one, shard_phase::absent);
    }
  }
  return changes;
}

// A row that is this node's.
void shard_holder::update(int shard, held& one, const v1::Shard& row, const v1::ClusterView& view,
                          std::int64_t now_us, std::vector<shard_change>& changes) {
  if (one.phase == shard_phase::absent || one.epoch != row.epoch()) {
    // What runs under an old epoch can write nothing any more.
    if (one.phase != shard_phase::absent && one.phase != shard_phase::handing)
      changes.push_back({kind::close, shard, one.epoch, {}, 0});
    set_phase(one, shard_phase::owned);
    one.epoch = row.epoch();
    changes.push_back({kind::open, shard, one.epoch, {}, 0});
  }
  aim(shard, one, row, view, now_us, changes);
}

// Where it shall go by the table. From a freeze on there is no way back under the same epoch: an
// order to hand it over may still be on its way.
void shard_holder::aim(int shard, held& one, const v1::Shard& row, const v1::ClusterView& view,
                       std::int64_t now_us, std::vector<shard_change>& changes) {
  const auto& target = row.target() == name_ ? std::string{} : row.target();
  auto incarnation = target.empty() ? 0 : incarnation_of(view, target);
  bool same = one.target == target && one.target_incarnation == incarnation;
  one.target = target;
  one.target_incarnation = incarnation;
  if (one.phase == shard_phase::owned && !target.empty()) {
    set_phase(one, shard_phase::leaving);
    one.since_us = now_us;
    changes.push_back({kind::leave, shard, one.epoch, target, incarnation});
  } else if (one.phase == shard_phase::leaving && target.empty()) {
    set_phase(one, shard_phase::owned);
    changes.push_back({kind::stay, shard, one.epoch, {}, 0});
  } else if (one.phase == shard_phase::handing && !same) {
    changes.push_back(hand(shard, one, now_us));
  }
}

std::vector<shard_change> shard_holder::fence() {
  std::vector<shard_change> changes;
  for (std::size_t i = 0; i < shards_.size(); ++i)
    if (shards_[i].phase != shard_phase::absent) {
      changes.push_back({kind::close, static_cast<int>(i), shards_[i].epoch, {}, 0});
      set_phase(shards_[i], shard_phase::absent);
    }
  fenced_incarnation_ = std::max(fenced_incarnation_, incarnation_);
  incarnation_ = 0;
  return changes;
}

bool shard_holder::freeze(int shard, held& one, std::vector<shard_change>& changes) {
  if (frozen_ >= options_.frozen_max)
    return false;
  set_phase(one, shard_phase::frozen);
  changes.push_back({kind::freeze, shard, one.epoch, one.target, one.target_incarnation});
  return true;
}

shard_change shard_holder::hand(int shard, held& one, std::int64_t now_us) const {
  one.since_us = now_us;
  one.hand_failed = false;
  bool stays = one.target.empty();
  return {kind::hand, shard, one.epoch, stays ? name_ : one.target,
          stays ? incarnation_ : one.target_incarnation};
}

std::vector<shard_change> shard_holder::quiet(int shard, std::int64_t) {
  std::vector<shard_change> changes;
  if (auto* one = find(shard, shard_phase::leaving))
    freeze(shard, *one, changes);
  return changes;
}

std::vector<shard_change> shard_holder::emptied(int shard, std::int64_t now_us) {
  std::vector<shard_change> changes;
  if (auto* one = find(shard, shard_phase::frozen)) {
    set_phase(*one, shard_phase::handing);
    changes.push_back(hand(shard, *one, now_us));
  }
  return changes;
}

void shard_holder::hand_failed(int shard) {
  if (auto* one = find(shard, shard_phase::handing))
    one->hand_failed = true;
}

std::vector<shard_change> shard_holder::tick(std::int64_t now_us) {
  std::vector<shard_change> changes;
  if (moving_ == 0)
    return changes;
  for (int shard = 0; shard < static_cast<int>(shards_.size()); ++shard) {
    auto& one = shards_[static_cast<std::size_t>(shard)];
    if (one.phase == shard_phase::leaving
        && now_us - one.since_us >= options_.leave_limit_ms * 1'000)
      freeze(shard, one, changes);
    else if (one.phase == shard_phase::handing
             && (one.hand_failed || now_us - one.since_us >= options_.hand_again_ms * 1'000))
      changes.push_back(hand(shard, one, now_us));
  }
  return changes;
}

shard_phase shard_holder::phase(int shard) const {
  const auto* one = find(shard);
  return one == nullptr ? shard_phase::absent : one->phase;
}

std::int64_t shard_holder::epoch(int shard) const {
  const auto* one = find(shard);
  return one == nullptr || one->phase == shard_phase::absent ? 0 : one->epoch;
}

bool shard_holder::serves(int shard, std::int64_t epoch) const {
  const auto* one = find(shard);
  return one != nullptr && epoch == one->epoch
         && (one->phase == shard_phase::owned || one->phase == shard_phase::leaving);
}

std::int64_t shard_holder::incarnation() const { return incarnation_; }

int shard_holder::count() const { return count_; }

int shard_holder::moving() const { return moving_; }

} // namespace troupe
