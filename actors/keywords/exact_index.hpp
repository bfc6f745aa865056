// Whole texts and the rules that wait for them, behind a filter. No CAF.
#pragma once

#include "actors/keywords/bloom.hpp"
#include "actors/keywords/literal_index.hpp"

#include <cstddef>
#include <cstdint>
#include <functional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace troupe::keywords {

/// A hash table of texts. Most messages are no rule's text: a blocked Bloom filter, small enough
/// for a processor's own cache, turns them away before the table is read. Immutable and
/// thread-safe.
class exact_index {
public:
  exact_index() : exact_index({}, 0) {}
  exact_index(std::vector<std::pair<std::u32string, rule_rank>> texts, double bloom_bits_per_key);

  /// The ranks of the rules with this text, in order.
  std::span<const rule_rank> find(std::u32string_view text) const noexcept {
    auto hash = hash_of(text);
    if (texts() == 0 || !filter_.may_contain(hash))
      return {};
    return look_up(text, hash);
  }
  /// The same without the filter, to see what it is worth.
  std::span<const rule_rank> find_unfiltered(std::u32string_view text) const noexcept {
    return texts() == 0 ? std::span<const rule_rank>{} : look_up(text, hash_of(text));
  }

  static std::uint64_t hash_of(std::u32string_view text) noexcept {
    return std::hash<std::u32string_view>{}(text);
  }

  std::size_t texts() const noexcept { return first_rank_.size() - 1; }
  rule_rank least_of_all() const noexcept { return least_of_all_; }
  const blocked_bloom& filter() const noexcept { return filter_; }
  std::size_t bytes() const noexcept;

private:
  struct slot {
    std::uint32_t tag = 0; // of the hash
    std::uint32_t text = empty_slot;
  };
  static constexpr std::uint32_t empty_slot = ~std::uint32_t{0};

  std::span<const rule_rank> look_up(std::u32string_view text, std::uint64_t hash) const noexcept;
  std::u32string_view text_of(std::uint32_t text) const noexcept {
    return std::u32string_view{points_}.substr(first_point_[text],
                                               first_point_[text + 1] - first_point_[text]);
  }
  void put(std::uint32_t text) noexcept;

  blocked_bloom filter_;
  std::vector<slot> slots_; // a power of two, at most half of it in use
  std::u32string points_;   // of all texts
  std::vector<std::uint32_t> first_point_;
  std::vector<std::uint32_t> first_rank_;
  std::vector<rule_rank> ranks_;
  rule_rank least_of_all_ = no_rank;
};

} // namespace troupe::keywords
