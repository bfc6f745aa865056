#include "actors/tokenizer/tools/byte_trie.hpp"

#include <algorithm>
#include <deque>

namespace troupe::tokens {

namespace {

// How many free nodes to try for a node's children before a new block is made for them.
constexpr int places_tried_max = 2'000;

std::uint8_t byte_at(std::string_view bytes, std::size_t i) {
  return static_cast<std::uint8_t>(bytes[i]);
}

} // namespace

byte_trie::byte_trie(std::vector<entry> entries) {
  std::sort(entries.begin(), entries.end(),
            [](const entry& x, const entry& y) { return x.bytes < y.bytes; });
  grow();
  take(0);
  std::deque<branch> open{{0, entries.size(), 0, 0}};
  std::vector<std::uint8_t> children;
  while (!open.empty()) {
    auto here = open.front();
    open.pop_front();
    if (entries[here.first].bytes.size() == here.depth)
      nodes_[here.node].token = entries[here.first++].token;
    if (here.first == here.last)
      continue;
    children.clear();
    for (auto i = here.first; i < here.last; ++i)
      if (auto byte = byte_at(entries[i].bytes, here.depth);
          children.empty() || children.back() != byte)
        children.push_back(byte);
    auto first_child = place(children);
    nodes_[here.node].first_child = first_child;
    auto from = here.first;
    for (auto byte : children) {
      auto to = from;
      while (to < here.last && byte_at(entries[to].bytes, here.depth) == byte)
        ++to;
      auto child = first_child ^ byte;
      take(child);
      nodes_[child].parent = here.node;
      open.push_back({from, to, here.depth + 1, child});
      from = to;
    }
  }
}

std::uint32_t byte_trie::place(const std::vector<std::uint8_t>& children) {
  int tried = 0;
  for (auto free = first_free_; free != no_token && tried < places_tried_max; free = next_[free]) {
    if (auto first_child = free ^ children.front(); fits(first_child, children))
      return first_child;
    ++tried;
  }
  auto block = static_cast<std::uint32_t>(nodes_.size());
  grow();
  return block;
}

bool byte_trie::fits(std::uint32_t first_child, const std::vector<std::uint8_t>& children) const {
  return std::none_of(children.begin(), children.end(),
                      [&](std::uint8_t byte) { return taken_[first_child ^ byte]; });
}

void byte_trie::grow() {
  auto start = static_cast<std::uint32_t>(nodes_.size());
  // A parent that no node has: free nodes and the root are nobody's children.
  nodes_.resize(start + 256, {0, no_token, no_token});
  taken_.resize(start + 256, false);
  next_.resize(start + 256, no_token);
  previous_.resize(start + 256, no_token);
  for (auto node = start; node < start + 256; ++node) {
    previous_[node] = last_free_;
    (last_free_ == no_token ? first_free_ : next_[last_free_]) = node;
    last_free_ = node;
  }
}

void byte_trie::take(std::uint32_t node) {
  taken_[node] = true;
  (previous_[node] == no_token ? first_free_ : next_[previous_[node]]) = next_[node];
  (next_[node] == no_token ? last_free_ : previous_[next_[node]]) = previous_[node];
}

} // namespace troupe::tokens
