// Many literals found in one pass over a text (Aho and Corasick), and the tree of them. No CAF.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>
#include <vector>

namespace troupe::keywords {

/// A trie over code points whose nodes are numbered level by level, so that a node's children stand
/// side by side and need no pointers; with it, for each node, where to go on when none fits.
/// Immutable and thread-safe.
class automaton {
public:
  automaton() = default;

  /// `literals` are sorted, different from each other, and none is empty; they are known by their
  /// index from then on. They need not outlive the call.
  explicit automaton(std::span<const std::u32string_view> literals);

  /// Calls `hit(literal)` for each literal that begins the text, the shortest first.
  template <class Hit>
  void for_each_prefix(std::u32string_view text, Hit&& hit) const {
    if (empty())
      return;
    std::uint32_t node = 0;
    for (auto c : text) {
      node = child(node, c);
      if (node == 0)
        return;
      if (literal_[node] != no_literal)
        hit(literal_[node]);
    }
  }

  /// Calls `hit(literal, end)` for each occurrence of each literal, by the index after its last
  /// point and then the longest first; false leaves out the shorter ones that end there.
  template <class Hit>
  void for_each_hit(std::u32string_view text, Hit&& hit) const {
    if (empty())
      return;
    std::uint32_t node = 0;
    for (std::size_t i = 0; i < text.size(); ++i) {
      node = next(node, text[i]);
      for (auto at = found_[node]; at != 0; at = found_[fallback_[at]])
        if (!hit(literal_[at], i + 1))
          break;
    }
  }

  /// Calls `take(literal, shorter)` for each literal, before those that contain it at their end;
  /// `shorter` is the longest other one that it ends with, or `no_literal`.
  template <class Take>
  void for_each_ending(Take&& take) const {
    for (std::uint32_t node = 1; node < literal_.size(); ++node)
      if (literal_[node] != no_literal)
        take(literal_[node], literal_[found_[fallback_[node]]]);
  }

  static constexpr std::uint32_t no_literal = ~std::uint32_t{0};

  bool empty() const noexcept { return lengths_.empty(); }
  std::size_t literals() const noexcept { return lengths_.size(); }
  std::size_t length(std::uint32_t literal) const noexcept { return lengths_[literal]; }
  std::size_t bytes() const noexcept;

private:
  /// 0, the root, is nobody's child.
  std::uint32_t child(std::uint32_t node, char32_t c) const noexcept {
    if (node == 0 && c < roots_.size())
      return roots_[c];
    return child_among(node, c);
  }
  std::uint32_t child_among(std::uint32_t node, char32_t c) const noexcept;
  std::uint32_t next(std::uint32_t node, char32_t c) const noexcept;
  void grow(std::span<const std::u32string_view> literals);
  void connect();

  std::vector<std::uint32_t> first_child_; // of each node, and one more
  std::vector<char32_t> label_;            // what leads to a node
  std::vector<std::uint32_t> fallback_;    // the longest other node that the node's path ends with
  std::vector<std::uint32_t> found_;       // the node, or the first one behind it, with a literal
  std::vector<std::uint32_t> literal_;     // of a node
  std::vector<std::uint32_t> roots_;       // the root's children by their label, of the BMP
  std::vector<std::uint16_t> lengths_;     // of the literals, in points
};

} // namespace troupe::keywords
