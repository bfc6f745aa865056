#include "actors/moderation/beginnings.hpp"

#include <algorithm>
#include <iterator>

namespace troupe::moderation {

void pair_beginnings::fill(const std::vector<code_trie::item>& words) {
  buckets_.assign(words.size() / 3 + 1, {});
  for (const auto& [codes, value] : words) {
    if (codes.size() < 2)
      continue;
    auto pair = std::uint32_t{codes[0]} | std::uint32_t{codes[1]} << 16;
    auto& here = buckets_[bucket_of(pair)];
    // No pair of a word is 0: its codes are not.
    auto* at = std::find_if(std::begin(here.pairs), std::end(here.pairs),
                            [&](std::uint32_t one) { return one == 0 || one == pair; });
    if (at == std::end(here.pairs)) {
      here.about |= is_full;
      continue;
    }
    *at = pair;
    auto bit = std::uint32_t{1} << (at - here.pairs);
    here.about |= codes.size() > 2 ? bit : bit << 8;
  }
}

void three_beginnings::fill(const std::vector<code_trie::item>& words) {
  auto is_latin = [](char16_t c) { return c - first < count; };
  for (const auto& [codes, value] : words) {
    if (codes.size() > 3 && std::all_of(codes.begin(), codes.begin() + 3, is_latin))
      go_on_[slot_of(codes[0], codes[1], codes[2])] = 1;
  }
}

} // namespace troupe::moderation
