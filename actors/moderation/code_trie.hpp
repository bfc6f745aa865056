// A trie over 16-bit codes, as one hash table of edges. Where only one item is left, the rest of it
// is a string: a walk touches little memory.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

namespace troupe::moderation {

/// Immutable and thread-safe once built. A node is the slot of the edge that leads to it.
class code_trie {
public:
  using code = std::uint16_t;

  struct item {
    std::u16string codes; // 1 to 255
    std::uint32_t value;
  };

  code_trie() = default;
  /// Sorts the items. Of those with equal codes the first one's value counts. `codes` is one more
  /// than the largest code.
  code_trie(std::vector<item>& items, std::size_t codes);

  /// Bits of what is known at a place: an item ends here; items go on from here.
  static constexpr std::uint8_t ends = 1, has_more = 2;

  /// A place in the trie, behind some codes.
  struct cursor {
    std::uint32_t node = 0;
    std::uint32_t value = 0; // of the item that ends here
    std::uint32_t left = 0;  // codes of the only item that goes on
    const char16_t* rest = nullptr;
    std::uint8_t flags = 0;
  };

  /// What is known behind one code.
  std::uint8_t first_flags(code c) const noexcept { return first_flags_[c] & (ends | has_more); }

  /// Goes behind the first code; false if no item begins with it.
  bool start(cursor& at, code c) const noexcept {
    at.node = first_[c];
    if (at.node == none)
      return false;
    at.left = 0;
    at.flags = first_flags_[c];
    if (at.flags != has_more) // else there is nothing to see at the edge
      enter(at);
    return true;
  }

  /// Goes behind one code more; false if no item does. `flags` had `has_more`.
  bool step(cursor& at, code c) const noexcept {
    if (at.left > 0) {
      if (*at.rest != c)
        return false;
      ++at.rest;
      at.flags = --at.left == 0 ? ends : has_more;
      return true;
    }
    for (auto slot = slot_of(at.node, c);; slot = slot + 1 == edges_.size() ? 0 : slot + 1) {
      const auto& edge = edges_[slot];
      if (edge.from == at.node && edge.by == c) {
        at.node = static_cast<std::uint32_t>(slot);
        enter(at);
        return true;
      }
      if (edge.from == free_slot)
        return false;
    }
  }

  bool empty() const noexcept { return nodes_ == 0; }
  std::size_t nodes() const noexcept { return nodes_; }
  std::size_t memory_bytes() const noexcept;

private:
  static constexpr std::uint32_t none = 0xffff'ffff, root = 0xffff'fffe, free_slot = 0xffff'fffd;
  static constexpr std::uint8_t has_rest = 4;

  struct edge {
    std::uint32_t from = free_slot;
    code by = 0;
    std::uint8_t flags = 0;
    std::uint8_t rest_size = 0;
    std::uint32_t value = 0;
    std::uint32_t rest_at = 0;
  };

  void enter(cursor& at) const noexcept {
    const auto& edge = edges_[at.node];
    at.value = edge.value;
    at.flags = edge.flags & (ends | has_more);
    if (edge.flags & has_rest) {
      at.left = edge.rest_size;
      at.rest = rests_.data() + edge.rest_at;
    }
  }

  std::size_t slot_of(std::uint32_t from, code c) const noexcept {
    auto key = (static_cast<std::uint64_t>(from) << 16 | c) * 0x9e37'79b9'7f4a'7c15u;
    return static_cast<std::size_t>((key >> 32) * edges_.size() >> 32);
  }
  std::uint32_t add(std::uint32_t from, code c);

  std::vector<edge> edges_;
  std::u16string rests_;
  std::vector<std::uint32_t> first_;
  std::vector<std::uint8_t> first_flags_;
  std::size_t nodes_ = 0;
};

} // namespace troupe::moderation
