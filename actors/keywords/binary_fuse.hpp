// A set that never changes and answers "certainly not" or "perhaps". No CAF.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <vector>

namespace troupe::keywords {

/// A binary fuse filter of 8-bit fingerprints (Graf and Lemire, Binary Fuse Filters: Fast and
/// Smaller Than Xor Filters, 2022): nine to ten bits a key, three reads a look-up, 1 of 256 keys
/// never inserted taken for inserted. Keys are 64-bit hashes. Immutable and thread-safe.
class binary_fuse {
public:
  static constexpr std::size_t keys_max = 1'000'000'000;
  static constexpr int tries_max = 100; // one in some needs a second

  /// Builds the filter; equal keys count once. Nothing if there are too many keys, or none of the
  /// tries worked out, which chance does not do: `random` is the seed of the first try.
  static std::optional<binary_fuse> build(std::vector<std::uint64_t> keys, std::uint64_t random);

  /// False: the key was not among those given. True: it was, or by chance so.
  bool may_contain(std::uint64_t key) const noexcept {
    auto hash = hash_of(key);
    auto at = places(hash);
    return (fingerprint(hash) ^ slots_[at.first] ^ slots_[at.second] ^ slots_[at.third]) == 0;
  }

  std::size_t bytes() const noexcept { return slots_.size(); }
  int tries() const noexcept { return tries_; }

  static constexpr double expected_false_positives() noexcept { return 1.0 / 256; }

private:
  struct triple {
    std::uint32_t first;
    std::uint32_t second;
    std::uint32_t third;
  };
  struct peeling;

  explicit binary_fuse(std::size_t keys);
  bool fill(const std::vector<std::uint64_t>& keys, peeling& memory);

  std::uint64_t hash_of(std::uint64_t key) const noexcept;
  triple places(std::uint64_t hash) const noexcept;
  static std::uint8_t fingerprint(std::uint64_t hash) noexcept {
    return static_cast<std::uint8_t>(hash ^ hash >> 32);
  }

  std::uint64_t seed_ = 0;
  std::uint32_t segment_slots_ = 0;  // a power of two
  std::uint32_t first_segments_ = 0; // in which the first place may lie, in slots
  int tries_ = 0;
  std::vector<std::uint8_t> slots_;
};

} // namespace troupe::keywords
