// The events of one turn, kept for readers who come later: numbers, and a compact copy.
#pragma once

#include "troupe/v1/conversation.pb.h"

#include <cstdint>
#include <string>
#include <vector>

namespace troupe {

/// Numbers a turn's events and can give them again. Text deltas cost eight bytes beyond their text.
/// Its size is bounded by that of the answer: whoever writes it bounds that. Knows no CAF.
class event_log {
public:
  /// Events of the `attempt`-th start of a turn (from 1) are numbered from
  /// (attempt - 1) * 2^32 + 1 on.
  explicit event_log(std::int32_t attempt = 1) { start(attempt); }

  /// Forgets all events and numbers those to come as of another start.
  void start(std::int32_t attempt);

  /// Gives the event its number and keeps it.
  void add(v1::TurnEvent& event);

  /// The number of the last event; one less than the first one's if there is none.
  std::int64_t last_seq() const noexcept { return base_ + static_cast<std::int64_t>(ends_.size()); }

  std::size_t bytes() const noexcept { return packed_.size() + ends_.size() * sizeof(mark); }

  /// The events after `after_seq` in batches of about `batch_bytes`, consecutive deltas joined
  /// under the number of the last. A reader ahead of the log gets all of it.
  std::vector<v1::TurnEvents> replay(std::int64_t after_seq, std::size_t batch_bytes) const;

  void compact();

private:
  enum class kind : std::uint8_t { text, reasoning, other };
  struct mark {
    std::uint32_t end;
    kind what;
  };

  std::string packed_;
  std::vector<mark> ends_;
  std::int64_t base_ = 0;
};

} // namespace troupe
