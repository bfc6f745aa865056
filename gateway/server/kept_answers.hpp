// Answers of actors that a shard keeps, so that it need not ask again for each request.
#pragma once

#include "gateway/server/io_shard.hpp"
#include "messages/freshness.hpp"

#include <array>
#include <atomic>
#include <cstdint>
#include <memory>
#include <string>
#include <unordered_map>

namespace troupe::gateway {

/// How often a kept answer was used where an actor would have been asked.
struct kept_probe {
  std::atomic<std::uint64_t> principals{0};
  std::atomic<std::uint64_t> routes{0};
};

/// Answers by name, for each shard its own; a shard's are touched on its thread only. An answer is
/// used as long as its actor's `freshness` says so and it is not too old.
template <class Answer>
class kept_answers {
public:
  static constexpr std::size_t shards_max = 256;    // as `gateway.shards` allows
  static constexpr std::size_t answers_max = 1'024; // of a shard; then it starts anew

  kept_answers(std::shared_ptr<const freshness> fresh, std::int64_t kept_us) :
      fresh_(std::move(fresh)), kept_us_(kept_us) {}

  /// What to give to `keep`; to be taken before the actor is asked.
  std::uint64_t stamp() const { return fresh_ ? fresh_->stamp() : 1; }

  /// Valid until the next `keep` of the shard; null: ask.
  const Answer* find(const io_shard& shard, const std::string& name, std::int64_t now_us) const {
    if (!fresh_ || shard.index() >= shards_max || !places_[shard.index()])
      return nullptr;
    const auto& answers = *places_[shard.index()];
    auto found = answers.find(name);
    // A clock that was set back makes an answer too old, not young.
    bool good = found != answers.end() && fresh_->holds(found->second.stamp)
                && now_us >= found->second.since_us && now_us - found->second.since_us < kept_us_;
    return good ? &found->second.answer : nullptr;
  }

  void keep(const io_shard& shard, const std::string& name, const Answer& answer,
            std::uint64_t stamp, std::int64_t now_us) {
    if (!fresh_ || shard.index() >= shards_max || !fresh_->holds(stamp))
      return;
    auto& place = places_[shard.index()];
    if (!place)
      place = std::make_unique<map>();
    if (place->size() >= answers_max)
      place->clear();
    place->insert_or_assign(name, kept{answer, stamp, now_us});
  }

private:
  struct kept {
    Answer answer;
    std::uint64_t stamp;
    std::int64_t since_us;
  };
  using map = std::unordered_map<std::string, kept>;

  std::shared_ptr<const freshness> fresh_;
  std::int64_t kept_us_;
  std::array<std::unique_ptr<map>, shards_max> places_;
};

} // namespace troupe::gateway
