// Which rules rest after they were used. No CAF.
#pragma once

#include "actors/keywords/matcher.hpp"

#include <cstddef>
#include <cstdint>
#include <set>
#include <string>
#include <unordered_map>
#include <utility>

namespace troupe::keywords {

/// A bounded table of what rests until when, by times that are given (`message_facts::now_us`).
/// When it is full, what rests for the shortest time yet is forgotten first. For one thread.
class cooldowns {
public:
  explicit cooldowns(std::size_t entries_max = 100'000) : entries_max_(entries_max) {}

  /// Whether the rule was used in this chat, or by this user, too short ago. A clock that was set
  /// back does not let a rule rest for longer than its cool-down.
  bool rests(const rule& r, const message_facts& message) const;

  /// The rule is used now.
  void start(const rule& r, const message_facts& message);

  std::size_t size() const noexcept { return until_us_.size(); }

private:
  static std::string key_of(const rule& r, const message_facts& message);
  void forget_ended(std::int64_t now_us);

  std::size_t entries_max_;
  std::unordered_map<std::string, std::int64_t> until_us_;
  std::set<std::pair<std::int64_t, std::string>> order_; // the first to end first
};

} // namespace troupe::keywords
