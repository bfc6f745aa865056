#include "actors/keywords/exact_index.hpp"

#include <algorithm>
#include <bit>

namespace troupe::keywords {

exact_index::exact_index(std::vector<std::pair<std::u32string, rule_rank>> texts,
                         double bloom_bits_per_key) :
    filter_(texts.size(), bloom_bits_per_key) {
  std::sort(texts.begin(), texts.end());
  std::u32string_view last;
  for (const auto& [text, rank] : texts) {
    least_of_all_ = std::min(least_of_all_, rank);
    if (ranks_.empty() || text != last) {
      first_point_.push_back(static_cast<std::uint32_t>(points_.size()));
      first_rank_.push_back(static_cast<std::uint32_t>(ranks_.size()));
      points_ += text;
      last = text;
    }
    ranks_.push_back(rank);
  }
  first_point_.push_back(static_cast<std::uint32_t>(points_.size()));
  first_rank_.push_back(static_cast<std::uint32_t>(ranks_.size()));
  points_.shrink_to_fit();
  slots_.resize(std::bit_ceil(2 * std::max<std::size_t>(this->texts(), 1)));
  for (std::uint32_t text = 0; text < this->texts(); ++text)
    put(text);
}

void exact_index::put(std::uint32_t text) noexcept {
  auto hash = hash_of(text_of(text));
  filter_.insert(hash);
  auto at = hash & (slots_.size() - 1);
  while (slots_[at].text != empty_slot)
    at = (at + 1) & (slots_.size() - 1);
  slots_[at] = {static_cast<std::uint32_t>(hash >> 32), text};
}

std::span<const rule_rank> exact_index::look_up(std::u32string_view text,
                                                std::uint64_t hash) const noexcept {
  auto tag = static_cast<std::uint32_t>(hash >> 32);
  for (auto at = hash & (slots_.size() - 1); slots_[at].text != empty_slot;
       at = (at + 1) & (slots_.size() - 1)) {
    auto found = slots_[at].text;
    if (slots_[at].tag == tag && text_of(found) == text)
      return std::span{ranks_}.subspan(first_rank_[found],
                                       first_rank_[found + 1] - first_rank_[found]);
  }
  return {};
}

std::size_t exact_index::bytes() const noexcept {
  return filter_.bytes() + slots_.capacity() * sizeof(slot) + points_.capacity() * sizeof(char32_t)
         + (first_point_.capacity() + first_rank_.capacity() + ranks_.capacity())
               * sizeof(std::uint32_t);
}

} // namespace troupe::keywords
