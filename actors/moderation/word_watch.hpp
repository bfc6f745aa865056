// What a node looks for in texts: the matcher in use, as those see it who look.
#pragma once

#include "actors/moderation/live_matcher.hpp"
#include "config/config.hpp"

#include <caf/expected.hpp>

#include <atomic>
#include <cstdint>
#include <memory>

namespace troupe::moderation {

/// What the configuration says of matching. `config_invalid` names what it does not know.
caf::expected<matcher_options> options_of(const config::moderation_section& section);

/// Thread-safe. Begins without a lexicon: only the detectors find something.
class word_watch {
public:
  explicit word_watch(const matcher_options& options);
  word_watch(const word_watch&) = delete;
  word_watch& operator=(const word_watch&) = delete;

  const matcher_options& options() const noexcept { return options_; }

  /// Whether there is anything to look for.
  bool any() const noexcept { return any_.load(std::memory_order_relaxed); }

  /// The matcher in use, or for a moment the one before. Each thread keeps its own reference, so
  /// that it writes to nothing that others read; it holds until the thread's next call.
  const std::shared_ptr<const matcher>& get() const;

  /// Waits for nobody. Memory of the ones before is given back once nobody uses them.
  void replace(std::shared_ptr<const matcher> next);

private:
  struct seat;

  const std::uint64_t id_;
  const matcher_options options_;
  live_matcher live_;
  std::atomic<bool> any_;
};

} // namespace troupe::moderation
