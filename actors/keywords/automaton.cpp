#include "actors/keywords/automaton.hpp"

#include <algorithm>

namespace troupe::keywords {

namespace {

constexpr std::size_t bmp_size = 0x10000;
constexpr std::uint32_t few_children = 8; // of which the one wanted is found by looking at each

} // namespace

automaton::automaton(std::span<const std::u32string_view> literals) {
  if (literals.empty())
    return;
  lengths_.reserve(literals.size());
  for (auto literal : literals)
    lengths_.push_back(static_cast<std::uint16_t>(literal.size()));
  grow(literals);
  connect();
}

// Sorted literals that share a beginning stand together: a node is a range of them and a depth.
void automaton::grow(std::span<const std::u32string_view> literals) {
  struct range {
    std::uint32_t begin;
    std::uint32_t end;
    std::uint32_t depth;
  };
  std::vector<range> nodes{{0, static_cast<std::uint32_t>(literals.size()), 0}};
  label_.push_back(0);
  for (std::size_t node = 0; node < nodes.size(); ++node) {
    auto [begin, end, depth] = nodes[node];
    first_child_.push_back(static_cast<std::uint32_t>(nodes.size()));
    auto ends_here = literals[begin].size() == depth;
    literal_.push_back(ends_here ? begin : no_literal);
    for (auto i = begin + (ends_here ? 1 : 0); i < end;) {
      auto label = literals[i][depth];
      auto from = i;
      while (i < end && literals[i][depth] == label)
        ++i;
      nodes.push_back({from, i, depth + 1});
      label_.push_back(label);
    }
  }
  first_child_.push_back(static_cast<std::uint32_t>(nodes.size()));
  first_child_.shrink_to_fit();
  label_.shrink_to_fit();
  literal_.shrink_to_fit();
}

void automaton::connect() {
  char32_t highest = 0;
  for (auto i = first_child_[0]; i < first_child_[1]; ++i)
    if (label_[i] < bmp_size)
      highest = label_[i];
  roots_.resize(highest + 1);
  for (auto i = first_child_[0]; i < first_child_[1]; ++i)
    if (label_[i] < bmp_size)
      roots_[label_[i]] = i;
  fallback_.resize(literal_.size());
  found_.resize(literal_.size());
  for (std::uint32_t node = 0; node < literal_.size(); ++node) {
    // What a node falls back to is shorter, so it is complete by now.
    found_[node] = node != 0 && literal_[node] == no_literal ? found_[fallback_[node]] : node;
    for (auto i = first_child_[node]; i < first_child_[node + 1]; ++i)
      fallback_[i] = node == 0 ? 0 : next(fallback_[node], label_[i]);
  }
}

std::uint32_t automaton::child_among(std::uint32_t node, char32_t c) const noexcept {
  auto begin = first_child_[node];
  auto end = first_child_[node + 1];
  if (end - begin <= few_children) {
    for (; begin < end; ++begin)
      if (label_[begin] == c)
        return begin;
    return 0;
  }
  auto found = std::lower_bound(label_.begin() + begin, label_.begin() + end, c);
  return found != label_.begin() + end && *found == c
             ? static_cast<std::uint32_t>(found - label_.begin())
             : 0;
}

std::uint32_t automaton::next(std::uint32_t node, char32_t c) const noexcept {
  for (;;) {
    if (auto found = child(node, c); found != 0 || node == 0)
      return found;
    node = fallback_[node];
  }
}

std::size_t automaton::bytes() const noexcept {
  return (first_child_.capacity() + fallback_.capacity() + found_.capacity() + literal_.capacity()
          + roots_.capacity())
             * sizeof(std::uint32_t)
         + label_.capacity() * sizeof(char32_t) + lengths_.capacity() * sizeof(std::uint16_t);
}

} // namespace troupe::keywords
