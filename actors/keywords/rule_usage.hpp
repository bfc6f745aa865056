// What the threads of a node share of its rules' use: which rest, and how often each answered. No
// CAF.
#pragma once

#include "actors/keywords/answer.hpp"
#include "actors/keywords/cooldown.hpp"
#include "actors/keywords/statistics.hpp"

#include <atomic>
#include <cstdint>
#include <memory>
#include <mutex>
#include <string>

namespace troupe::keywords {

/// Saved counts of one node are never longer. What is over it is made smaller: fewer keywords of
/// each hour and day are told apart, the rarest together.
inline constexpr std::size_t counts_bytes_max = 1024 * 1024;

/// What a node counts with. Keywords are `set/rule`.
statistics_options counting_options(std::int64_t day_offset_min);

/// The counts as text of at most `bytes_max`; empty if even the smallest is longer.
std::string bounded_text(const statistics& counts, statistics_options options,
                         std::size_t bytes_max = counts_bytes_max);

/// How messages fared since the start. Thread-safe.
struct usage_counts {
  std::atomic<std::uint64_t> answered{0};   // by a rule
  std::atomic<std::uint64_t> prompted{0};   // the model got a rule's prompt
  std::atomic<std::uint64_t> unmatched{0};  // by no rule
  std::atomic<std::uint64_t> incomplete{0}; // of those looked at: too long, or too many patterns
};

/// Thread-safe; its lock is held for microseconds.
class rule_usage {
public:
  rule_usage(std::size_t cooldowns_max, statistics_options options) :
      cooldowns_(cooldowns_max), options_(options), statistics_(options) {}

  bool rests(const rule& r, const message_facts& message) const;
  /// The rule answers now: its cool-down begins and it is counted. False if it rests, because
  /// another thread used it a moment ago.
  bool take(const rule& r, const message_facts& message);

  /// A copy of what was counted here.
  statistics counted() const;
  /// What this node had counted before it was started; once. Later calls do nothing.
  void restore(const statistics& earlier);
  bool restored() const;

  std::size_t cooldowns_size() const;
  const statistics_options& options() const noexcept { return options_; }
  usage_counts& counts() noexcept { return counts_; }
  const usage_counts& counts() const noexcept { return counts_; }

private:
  mutable std::mutex mutex_;
  cooldowns cooldowns_;
  const statistics_options options_;
  statistics statistics_;
  bool restored_ = false;
  usage_counts counts_;
};

/// The answer of a rule that matched, by its own clock; `random` as `answer_to` has it.
chosen_answer answer_of(const message_facts& message, const rule_match& match,
                        const message_names& names, std::uint64_t random);

/// Evenly drawn, of this thread.
std::uint64_t draw_random();

} // namespace troupe::keywords
