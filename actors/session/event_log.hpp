// The events of one turn, kept for readers who come later: numbers, and a compact copy.
#pragma once

#include "troupe/v1/conversation.pb.h"

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace troupe {

/// Numbers a turn's events and can give them again. A delta costs a byte or two beyond its text.
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
  std::int64_t last_seq() const noexcept { return base_ + count_; }

  std::size_t bytes() const noexcept { return packed_.size(); }

  /// The events after `after_seq` in batches of about `batch_bytes`, consecutive deltas joined
  /// under the number of the last. A reader ahead of the log gets all of it.
  std::vector<v1::TurnEvents> replay(std::int64_t after_seq, std::size_t batch_bytes) const;

  /// The text of all deltas after `after_seq`, joined.
  std::string text(std::int64_t after_seq) const;

  void compact();

private:
  enum class kind : std::uint8_t { text, reasoning, other };
  struct entry {
    kind what;
    std::string_view bytes;
  };
  entry read(std::size_t& at) const;
  std::size_t skip_to(std::int64_t after_seq, std::int64_t& seq) const;

  std::string packed_; // of each event its size and kind in a varint, then its bytes
  std::int64_t base_ = 0;
  std::int64_t count_ = 0;
};

} // namespace troupe
