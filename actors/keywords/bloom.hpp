// A set that answers "certainly not" or "perhaps", and takes new keys at any time. No CAF.
#pragma once

#include <algorithm>
#include <array>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <vector>

namespace troupe::keywords {

/// Spreads the bits of a 64-bit hash, so that each part of the result depends on all of it.
constexpr std::uint64_t mixed(std::uint64_t hash) noexcept {
  hash ^= hash >> 32;
  hash *= 0x9FB21C651E98DF25;
  hash ^= hash >> 29;
  hash *= 0xD6E8FEB86659FD93;
  return hash ^ hash >> 32;
}

/// A number below `count`, even for even hashes.
constexpr std::uint64_t reduced(std::uint64_t hash, std::uint64_t count) noexcept {
  return static_cast<std::uint64_t>(static_cast<unsigned __int128>(hash) * count >> 64);
}

/// A Bloom filter of blocks: a key has one bit in each of the eight words of one block, so that a
/// look-up reads one cache line. Keys are 64-bit hashes. Reading is thread-safe while nobody
/// writes.
class blocked_bloom {
public:
  /// For about `keys_max` keys with so many bits each. More keys may be put in; the false positives
  /// rise as `expected_false_positives` says.
  explicit blocked_bloom(std::size_t keys_max, double bits_per_key = 12) :
      blocks_(static_cast<std::size_t>(
          std::ceil(std::max(1.0, static_cast<double>(keys_max) * bits_per_key / block_bits)))) {}

  void insert(std::uint64_t key) noexcept {
    auto hash = mixed(key);
    auto& block = blocks_[reduced(hash, blocks_.size())];
    auto bits = mixed(hash);
    for (auto& word : block.words) {
      word |= bit(bits);
      bits >>= 6;
    }
    ++keys_;
  }

  /// False: the key was never inserted. True: it was, or by chance so.
  bool may_contain(std::uint64_t key) const noexcept {
    auto hash = mixed(key);
    const auto& block = blocks_[reduced(hash, blocks_.size())];
    auto bits = mixed(hash);
    std::uint64_t missing = 0;
    for (auto word : block.words) {
      missing |= bit(bits) & ~word;
      bits >>= 6;
    }
    return missing == 0;
  }

  void clear() noexcept {
    for (auto& block : blocks_)
      block.words.fill(0);
    keys_ = 0;
  }

  /// Keys inserted, equal ones counted again.
  std::size_t size() const noexcept { return keys_; }
  std::size_t bytes() const noexcept { return blocks_.size() * sizeof(block); }

  /// The share of keys never inserted that are taken for inserted, by theory: a block gets a number
  /// of keys by Poisson's law, and with i of them a bit of a word is set with 1 - (63/64)^i.
  double expected_false_positives() const noexcept {
    auto load = static_cast<double>(keys_) / static_cast<double>(blocks_.size());
    auto probability = std::exp(-load); // of a block with i keys
    double sum = 0;
    auto last = load + 12 * std::sqrt(load) + 12;
    for (double i = 0; i <= last; ++i) {
      sum += probability * std::pow(1 - std::pow(63.0 / 64, i), words_a_block);
      probability *= load / (i + 1);
    }
    return sum;
  }

private:
  static constexpr int words_a_block = 8;
  static constexpr int block_bits = 64 * words_a_block;

  struct alignas(64) block {
    std::array<std::uint64_t, words_a_block> words{};
  };

  static std::uint64_t bit(std::uint64_t bits) noexcept { return std::uint64_t{1} << (bits & 63); }

  std::vector<block> blocks_;
  std::size_t keys_ = 0;
};

} // namespace troupe::keywords
