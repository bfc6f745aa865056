// Builds the double-array trie of a vocabulary.
#pragma once

#include "actors/tokenizer/vocabulary_file.hpp"

#include <string_view>
#include <vector>

namespace troupe::tokens {

/// A double-array trie, laid out breadth first: the nodes that texts visit most lie together.
class byte_trie {
public:
  struct entry {
    std::string_view bytes; // not empty, and different from all others
    token_id token;
  };

  /// Throws std::runtime_error if it would have more than file::nodes_max nodes.
  explicit byte_trie(std::vector<entry> entries);

  const std::vector<file::node>& nodes() const noexcept { return nodes_; }

  /// The child of `node` by `byte`; 0 if it has none.
  static std::uint32_t child(const std::vector<file::node>& nodes, std::uint32_t node,
                             std::uint8_t byte) noexcept {
    auto to = (nodes[node].link >> file::label_bits) ^ byte;
    return (nodes[to].link & file::no_label) == byte ? to : 0;
  }

  /// The longest entry that begins the text, and its length; {no_token, 0} if none does.
  struct found {
    token_id token = no_token;
    std::size_t bytes = 0;
  };
  found longest(std::string_view text) const noexcept;

private:
  /// The entries that go through `node`: [first, last), equal in their first `depth` bytes.
  struct branch {
    std::size_t first, last, depth;
    std::uint32_t node;
  };

  std::uint32_t place(const std::vector<std::uint8_t>& children);
  bool fits(std::uint32_t first_child, const std::vector<std::uint8_t>& children) const;
  void grow();
  void take(std::uint32_t node, std::uint32_t label);

  std::vector<file::node> nodes_;
  std::vector<bool> taken_;
  std::vector<bool> used_; // as first_child
  // The free nodes in order, as a list: next_[n] is the free node after n; its end is no_token.
  std::vector<std::uint32_t> next_, previous_;
  std::uint32_t first_free_ = no_token, last_free_ = no_token;
};

} // namespace troupe::tokens
