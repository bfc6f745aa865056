#include "actors/moderation/code_trie.hpp"

#include <algorithm>

namespace troupe::moderation {

code_trie::code_trie(std::vector<item>& items, std::size_t codes) {
  std::stable_sort(items.begin(), items.end(),
                   [](const item& a, const item& b) { return a.codes < b.codes; });
  std::vector<const item*> different;
  for (const auto& one : items)
    if (different.empty() || different.back()->codes != one.codes)
      different.push_back(&one);
  auto shared = [&](std::size_t i) -> std::size_t { // with the item before
    if (i == 0 || i == different.size())
      return 0;
    const auto &a = different[i - 1]->codes, &b = different[i]->codes;
    auto size = static_cast<std::ptrdiff_t>(std::min(a.size(), b.size()));
    return static_cast<std::size_t>(std::mismatch(a.begin(), a.begin() + size, b.begin()).first
                                    - a.begin());
  };
  // Down to where no other item goes.
  auto depth_of = [&](std::size_t i) {
    return std::min(std::max(shared(i), shared(i + 1)) + 1, different[i]->codes.size());
  };
  for (std::size_t i = 0; i < different.size(); ++i)
    nodes_ += depth_of(i) - std::min(depth_of(i), shared(i));
  edges_.resize(nodes_ + nodes_ / 2 + 2);
  first_.assign(codes, none);
  first_flags_.assign(codes, 0);
  std::vector<std::uint32_t> path;
  for (std::size_t i = 0; i < different.size(); ++i) {
    const auto& [text, value] = *different[i];
    path.resize(std::min(shared(i), path.size()));
    for (auto depth = depth_of(i); path.size() < depth;) {
      auto c = static_cast<code>(text[path.size()]);
      if (!path.empty())
        edges_[path.back()].flags |= has_more;
      path.push_back(add(path.empty() ? root : path.back(), c));
      if (path.size() == 1)
        first_[c] = path.back();
    }
    auto& last = edges_[path.back()];
    last.value = value;
    if (path.size() == text.size()) {
      last.flags |= ends;
    } else {
      last.flags |= has_more | has_rest;
      last.rest_size = static_cast<std::uint8_t>(text.size() - path.size());
      last.rest_at = static_cast<std::uint32_t>(rests_.size());
      rests_.append(text, path.size());
    }
  }
  for (std::size_t c = 0; c < codes; ++c)
    if (first_[c] != none)
      first_flags_[c] = edges_[first_[c]].flags;
  rests_.shrink_to_fit();
}

std::uint32_t code_trie::add(std::uint32_t from, code c) {
  auto slot = slot_of(from, c);
  while (edges_[slot].from != free_slot)
    slot = slot + 1 == edges_.size() ? 0 : slot + 1;
  edges_[slot].from = from;
  edges_[slot].by = c;
  return static_cast<std::uint32_t>(slot);
}

std::size_t code_trie::memory_bytes() const noexcept {
  return edges_.capacity() * sizeof(edge) + rests_.capacity() * sizeof(char16_t)
         + first_.capacity() * (sizeof(std::uint32_t) + 1);
}

} // namespace troupe::moderation
