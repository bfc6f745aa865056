#include "messages/probe.hpp"

#include <algorithm>

namespace troupe {

std::uint64_t latency_histogram::total() const noexcept {
  std::uint64_t sum = 0;
  for (std::size_t i = 0; i < buckets; ++i)
    sum += count(i);
  return sum;
}

double latency_histogram::sum_seconds() const noexcept {
  return static_cast<double>(sum_ns_.load(std::memory_order_relaxed)) / 1e9;
}

double latency_histogram::quantile_us(double q) const noexcept {
  auto all = total();
  if (all == 0)
    return 0;
  auto rank = static_cast<std::uint64_t>(q * static_cast<double>(all - 1));
  std::uint64_t seen = 0;
  for (std::size_t i = 0; i < buckets; ++i) {
    seen += count(i);
    if (seen > rank)
      return static_cast<double>(std::uint64_t{1} << i);
  }
  return static_cast<double>(std::uint64_t{1} << (buckets - 1));
}

actor_type_probe& probes::of_type(std::string_view name) {
  std::lock_guard guard{mutex_};
  auto i = std::find_if(types_.begin(), types_.end(), [&](auto& t) { return t.name == name; });
  if (i != types_.end())
    return *i;
  auto& made = types_.emplace_back();
  made.name = name;
  return made;
}

std::vector<const actor_type_probe*> probes::types() const {
  std::vector<const actor_type_probe*> result;
  {
    std::lock_guard guard{mutex_};
    for (const auto& t : types_)
      result.push_back(&t);
  }
  std::sort(result.begin(), result.end(), [](auto* x, auto* y) { return x->name < y->name; });
  return result;
}

std::vector<actor_sample> probes::busiest(actor_order order, std::size_t offset, std::size_t limit,
                                          std::string_view type) const {
  std::vector<actor_sample> all;
  for (const auto& s : shards_) {
    std::lock_guard guard{s.mutex};
    for (auto* p = s.first; p != nullptr; p = p->next)
      if (type.empty() || p->type->name == type)
        all.push_back({p->type->name, p->actor_id, p->depth.load(), p->handled.load(),
                       p->busy_ns.load() / 1000});
  }
  auto key = [order](const actor_sample& x) {
    return order == actor_order::busy      ? x.busy_us
           : order == actor_order::handled ? x.handled
                                           : x.depth;
  };
  auto greater = [&](const actor_sample& x, const actor_sample& y) {
    return key(x) != key(y) ? key(x) > key(y) : x.actor_id < y.actor_id;
  };
  offset = std::min(offset, all.size());
  auto last = offset + std::min(limit, all.size() - offset);
  auto middle = all.begin() + static_cast<std::ptrdiff_t>(last);
  std::partial_sort(all.begin(), middle, all.end(), greater);
  return {all.begin() + static_cast<std::ptrdiff_t>(offset), middle};
}

void probes::enter(actor_probe& probe) noexcept {
  probe.type->spawned.fetch_add(1, std::memory_order_relaxed);
  probe.type->live.fetch_add(1, std::memory_order_relaxed);
  auto& s = shard_of(probe.actor_id);
  std::lock_guard guard{s.mutex};
  probe.next = s.first;
  if (s.first != nullptr)
    s.first->previous = &probe;
  s.first = &probe;
}

void probes::leave(actor_probe& probe) noexcept {
  probe.type->live.fetch_sub(1, std::memory_order_relaxed);
  auto& s = shard_of(probe.actor_id);
  std::lock_guard guard{s.mutex};
  if (probe.previous != nullptr)
    probe.previous->next = probe.next;
  else
    s.first = probe.next;
  if (probe.next != nullptr)
    probe.next->previous = probe.previous;
  probe.previous = probe.next = nullptr;
}

} // namespace troupe
