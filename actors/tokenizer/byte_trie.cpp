#include "actors/tokenizer/byte_trie.hpp"

#include <algorithm>
#include <deque>
#include <stdexcept>

namespace troupe::tokens {

namespace {

// How many free nodes to try for a node's children before a new block is made for them.
constexpr int places_tried_max = 500;

// The children of nodes that have none are looked for in this block, which stays free.
constexpr std::uint32_t nowhere = 256;

std::uint8_t byte_at(std::string_view bytes, std::size_t i) {
  return static_cast<std::uint8_t>(bytes[i]);
}

} // namespace

byte_trie::byte_trie(std::vector<entry> entries) {
  std::sort(entries.begin(), entries.end(),
            [](const entry& x, const entry& y) { return x.bytes < y.bytes; });
  grow();
  take(0, file::no_label);
  grow();
  for (std::uint32_t node = nowhere; node < nowhere + 256; ++node)
    take(node, file::no_label);
  std::deque<branch> open{{0, entries.size(), 0, 0}};
  std::vector<std::uint8_t> children;
  while (!open.empty()) {
    auto here = open.front();
    open.pop_front();
    if (here.first < here.last && entries[here.first].bytes.size() == here.depth)
      nodes_[here.node].token = entries[here.first++].token;
    if (here.first == here.last)
      continue;
    children.clear();
    for (auto i = here.first; i < here.last; ++i)
      if (auto byte = byte_at(entries[i].bytes, here.depth);
          children.empty() || children.back() != byte)
        children.push_back(byte);
    auto first_child = place(children);
    used_[first_child] = true;
    nodes_[here.node].link =
        first_child << file::label_bits | (nodes_[here.node].link & file::no_label);
    auto from = here.first;
    for (auto byte : children) {
      auto to = from;
      while (to < here.last && byte_at(entries[to].bytes, here.depth) == byte)
        ++to;
      auto child = first_child ^ byte;
      take(child, byte);
      open.push_back({from, to, here.depth + 1, child});
      from = to;
    }
  }
}

byte_trie::found byte_trie::longest(std::string_view text) const noexcept {
  found best;
  std::uint32_t node = 0;
  for (std::size_t i = 0; i < text.size(); ++i) {
    node = child(nodes_, node, byte_at(text, i));
    if (node == 0)
      break;
    if (nodes_[node].token != no_token)
      best = {nodes_[node].token, i + 1};
  }
  return best;
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
  return !used_[first_child]
         && std::none_of(children.begin(), children.end(),
                         [&](std::uint8_t byte) { return taken_[first_child ^ byte]; });
}

void byte_trie::grow() {
  auto start = static_cast<std::uint32_t>(nodes_.size());
  if (start + 256 > file::nodes_max)
    throw std::runtime_error("the vocabulary is too large");
  nodes_.resize(start + 256, {nowhere << file::label_bits | file::no_label, no_token});
  taken_.resize(start + 256, false);
  used_.resize(start + 256, false);
  next_.resize(start + 256, no_token);
  previous_.resize(start + 256, no_token);
  for (auto node = start; node < start + 256; ++node) {
    previous_[node] = last_free_;
    (last_free_ == no_token ? first_free_ : next_[last_free_]) = node;
    last_free_ = node;
  }
}

void byte_trie::take(std::uint32_t node, std::uint32_t label) {
  taken_[node] = true;
  nodes_[node].link = (nodes_[node].link & ~file::no_label) | label;
  (previous_[node] == no_token ? first_free_ : next_[previous_[node]]) = next_[node];
  (next_[node] == no_token ? last_free_ : previous_[next_[node]]) = previous_[node];
}

} // namespace troupe::tokens
