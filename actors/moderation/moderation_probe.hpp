// What moderation counted, for metrics. Thread-safe.
#pragma once

#include "actors/moderation/entry.hpp"

#include <array>
#include <atomic>
#include <cstdint>
#include <map>
#include <mutex>
#include <string>
#include <string_view>

namespace troupe {

class moderation_probe {
public:
  static constexpr std::size_t actions_count = 5; // by `moderation::action`
  static constexpr std::size_t categories_max = 100;
  static constexpr std::string_view other_categories = "other";
  using by_action = std::array<std::uint64_t, actions_count>;

  /// By direction: what users wrote, what models answered.
  struct way {
    std::atomic<std::uint64_t> texts{0};
    std::atomic<std::uint64_t> bytes{0};
    std::atomic<std::uint64_t> changed{0}; // texts that went on with a mask or a replacement
    std::atomic<std::uint64_t> blocked{0};
  };
  way user, model;

  std::atomic<std::uint64_t> hits_unaudited{0}; // of one text beyond what is audited of it
  std::atomic<std::uint64_t> hits_dropped{0};   // since too many waited to be written
  std::atomic<std::uint64_t> hits_written{0};
  std::atomic<std::int64_t> hits_waiting{0}; // on their way to the store

  void count(std::string_view category, moderation::action act) {
    std::lock_guard lock{mutex_};
    auto at = hits_.find(category);
    if (at == hits_.end()) {
      auto name = hits_.size() < categories_max ? category : other_categories;
      at = hits_.try_emplace(std::string{name}, by_action{}).first;
    }
    ++at->second[static_cast<std::size_t>(act)];
  }

  /// Hits that were told to the actor, by category.
  std::map<std::string, by_action, std::less<>> hits() const {
    std::lock_guard lock{mutex_};
    return hits_;
  }

private:
  mutable std::mutex mutex_; // of the actor and who shows the figures; nobody else waits for it
  std::map<std::string, by_action, std::less<>> hits_;
};

} // namespace troupe
