// What is counted of every actor: per type, and per actor. Injected, never global.
#pragma once

#include <array>
#include <atomic>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <mutex>
#include <string>
#include <string_view>
#include <vector>

namespace troupe {

/// Counts of durations in powers of two: bucket i holds those below 2^i microseconds. Thread-safe.
class latency_histogram {
public:
  static constexpr std::size_t buckets = 28;

  void add_ns(std::uint64_t ns) noexcept {
    auto i = static_cast<std::size_t>(std::bit_width(ns / 1000));
    counts_[i < buckets ? i : buckets - 1].fetch_add(1, std::memory_order_relaxed);
    sum_ns_.fetch_add(ns, std::memory_order_relaxed);
  }

  std::uint64_t count(std::size_t bucket) const noexcept {
    return counts_[bucket].load(std::memory_order_relaxed);
  }
  std::uint64_t total() const noexcept;
  double sum_seconds() const noexcept;
  /// The upper bound of the bucket in which the quantile `q` (0 to 1) lies, in microseconds; 0 if
  /// empty.
  double quantile_us(double q) const noexcept;

private:
  std::array<std::atomic<std::uint64_t>, buckets> counts_{};
  std::atomic<std::uint64_t> sum_ns_{0};
};

/// What all actors of one type did together. Lives as long as its `probes`.
struct actor_type_probe {
  std::string name;
  std::atomic<std::size_t> mailbox_max{0}; // 0: unbounded
  std::atomic<std::uint64_t> spawned{0};
  std::atomic<std::int64_t> live{0};
  std::atomic<std::int64_t> depth{0}; // messages waiting in all mailboxes of the type
  std::atomic<std::uint64_t> handled{0};
  std::atomic<std::uint64_t> failed{0}; // handlers that threw
  std::atomic<std::uint64_t> restarted{0};
  std::atomic<std::uint64_t> shed{0}; // refused because the mailbox was full
  latency_histogram latency;          // of handling one message
};

/// One live actor's own counts.
struct actor_probe {
  actor_type_probe* type = nullptr;
  std::uint64_t actor_id = 0;
  std::atomic<std::uint32_t> depth{0};
  std::atomic<std::uint64_t> handled{0};
  std::atomic<std::uint64_t> busy_ns{0};
  actor_probe* previous = nullptr; // the list of live actors, guarded by its shard's mutex
  actor_probe* next = nullptr;
};

/// A copy of one actor's counts.
struct actor_sample {
  std::string_view type;
  std::uint64_t actor_id = 0;
  std::uint64_t depth = 0;
  std::uint64_t handled = 0;
  std::uint64_t busy_us = 0;
};

enum class actor_order { busy, handled, depth };

/// All probes of a node. Thread-safe.
class probes {
public:
  /// The probe of a type, made at the first call. The reference stays valid.
  actor_type_probe& of_type(std::string_view name);

  /// All types, in order of their names.
  std::vector<const actor_type_probe*> types() const;

  /// The first `limit` live actors by `order` (greatest first) after skipping `offset`; `type`
  /// empty: of all types. Looks at every live actor: for operators, not for hot paths.
  std::vector<actor_sample> busiest(actor_order order, std::size_t offset, std::size_t limit,
                                    std::string_view type = {}) const;

  void enter(actor_probe& probe) noexcept;
  void leave(actor_probe& probe) noexcept;

private:
  struct shard {
    mutable std::mutex mutex;
    actor_probe* first = nullptr;
  };
  shard& shard_of(std::uint64_t actor_id) noexcept { return shards_[actor_id % shards_.size()]; }

  mutable std::mutex mutex_;
  std::deque<actor_type_probe> types_;
  std::array<shard, 16> shards_;
};

} // namespace troupe
