#include "actors/keywords/binary_fuse.hpp"

#include "actors/keywords/bloom.hpp"

#include <algorithm>
#include <cmath>

namespace troupe::keywords {

namespace {

// The paper's sizes for three places a key: how long a segment is, and how much room there is over
// the number of keys.
std::uint32_t segment_slots_for(double keys) {
  auto exponent = std::floor(std::log(keys) / std::log(3.33) + 2.25);
  return std::uint32_t{1} << static_cast<int>(std::clamp(exponent, 2.0, 18.0));
}

double room_for(double keys) {
  return std::max(1.125, 0.875 + 0.25 * std::log(1e6) / std::log(keys));
}

} // namespace

/// What filling needs beside the filter: for each place the keys that have it, folded into one.
struct binary_fuse::peeling {
  struct place {
    std::uint64_t hashes = 0; // of all keys here, by exclusive or
    std::uint32_t keys = 0;
  };
  struct step {
    std::uint64_t hash;
    std::uint32_t place;
  };
  std::vector<place> at;
  std::vector<step> order; // each key with a place that no later key has
  std::vector<std::uint32_t> alone;
};

binary_fuse::binary_fuse(std::size_t keys) {
  auto count = static_cast<double>(std::max<std::size_t>(keys, 2));
  segment_slots_ = segment_slots_for(count);
  auto capacity = std::ceil(count * room_for(count));
  auto segments = static_cast<std::uint32_t>(std::ceil(capacity / segment_slots_));
  auto starts = std::max<std::uint32_t>(segments, 3) - 2;
  first_segments_ = starts * segment_slots_;
  slots_.resize(static_cast<std::size_t>(first_segments_) + 2 * std::size_t{segment_slots_});
}

std::uint64_t binary_fuse::hash_of(std::uint64_t key) const noexcept { return mixed(key + seed_); }

// Three places in segments that follow one another.
binary_fuse::triple binary_fuse::places(std::uint64_t hash) const noexcept {
  auto mask = segment_slots_ - 1;
  auto first = static_cast<std::uint32_t>(reduced(hash, first_segments_));
  auto second = (first + segment_slots_) ^ (static_cast<std::uint32_t>(hash >> 18) & mask);
  auto third = (first + 2 * segment_slots_) ^ (static_cast<std::uint32_t>(hash) & mask);
  return {first, second, third};
}

// Takes away, again and again, a key that has a place to itself. Put back in the opposite order,
// each finds that place free for the value that makes its three places agree.
bool binary_fuse::fill(const std::vector<std::uint64_t>& keys, peeling& memory) {
  memory.at.assign(slots_.size(), {});
  memory.order.clear();
  memory.alone.clear();
  auto change = [&](std::uint64_t hash, std::uint32_t place, std::uint32_t by) {
    memory.at[place].hashes ^= hash;
    memory.at[place].keys += by;
    if (memory.at[place].keys == 1)
      memory.alone.push_back(place);
  };
  for (auto key : keys) {
    auto hash = hash_of(key);
    auto [first, second, third] = places(hash);
    for (auto place : {first, second, third}) {
      memory.at[place].hashes ^= hash;
      ++memory.at[place].keys;
    }
  }
  for (std::uint32_t i = 0; i < memory.at.size(); ++i)
    if (memory.at[i].keys == 1)
      memory.alone.push_back(i);
  while (!memory.alone.empty()) {
    auto place = memory.alone.back();
    memory.alone.pop_back();
    if (memory.at[place].keys != 1)
      continue;
    auto hash = memory.at[place].hashes;
    memory.order.push_back({hash, place});
    auto [first, second, third] = places(hash);
    for (auto other : {first, second, third})
      change(hash, other, ~std::uint32_t{0});
  }
  if (memory.order.size() != keys.size())
    return false;
  std::fill(slots_.begin(), slots_.end(), std::uint8_t{0});
  std::reverse(memory.order.begin(), memory.order.end());
  for (auto [hash, place] : memory.order) {
    auto [first, second, third] = places(hash);
    // The slot itself is still 0.
    slots_[place] = static_cast<std::uint8_t>(fingerprint(hash) ^ slots_[first] ^ slots_[second]
                                              ^ slots_[third]);
  }
  return true;
}

std::optional<binary_fuse> binary_fuse::build(std::vector<std::uint64_t> keys,
                                              std::uint64_t random) {
  std::sort(keys.begin(), keys.end());
  keys.erase(std::unique(keys.begin(), keys.end()), keys.end());
  if (keys.size() > keys_max)
    return {};
  binary_fuse made{keys.size()};
  peeling memory;
  for (int i = 0; i < tries_max; ++i) {
    made.seed_ = mixed(random + static_cast<std::uint64_t>(i));
    made.tries_ = i + 1;
    if (made.fill(keys, memory))
      return made;
  }
  return {};
}

} // namespace troupe::keywords
