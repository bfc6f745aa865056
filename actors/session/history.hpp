// The branch of a conversation that its session holds in memory, packed: a session may be idle for
// most of its life, and a parsed message costs several times its bytes.
#pragma once

#include "troupe/v1/content.pb.h"

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace troupe {

/// Messages from older to newer, each the parent of the next. Knows no CAF.
class history {
public:
  static constexpr std::int32_t not_counted = -1;

  /// Replaces the branch. `truncated`: the store holds older messages of it.
  void assign(const google::protobuf::RepeatedPtrField<v1::Message>& messages, bool truncated);

  /// Adds a message whose parent is the tip.
  void append(const v1::Message& message);

  /// Drops what came after the message `id`, so that it is the tip. An empty id drops everything.
  /// False, and no change, if the message is not in memory (or, for an empty id, if the branch
  /// began before what is in memory).
  bool rewind(std::string_view id);

  /// Drops the oldest messages until at most so many messages and bytes are left; the newest user
  /// message and what follows it stay.
  void trim(std::size_t messages_max, std::size_t bytes_max);

  /// Forgets a branch that is gone.
  void clear();

  /// Leaves the branch to the store: it is loaded again when it is needed.
  void drop_all();

  /// Gives back memory that growth left over.
  void compact();

  std::size_t size() const noexcept { return items_.size(); }
  bool empty() const noexcept { return items_.empty(); }
  std::size_t bytes() const noexcept { return packed_.size(); }
  bool truncated() const noexcept { return truncated_; }

  /// The newest message's id, or nothing.
  std::string_view tip() const noexcept;
  std::string_view id(std::size_t i) const noexcept;
  v1::Role role(std::size_t i) const noexcept { return static_cast<v1::Role>(items_[i].role); }
  std::optional<std::size_t> index_of(std::string_view id) const noexcept;

  /// The i-th message as it was appended, but for its conversation's id.
  v1::Message at(std::size_t i) const;

  /// Tokens of a message, kept until the vocabulary changes.
  std::int32_t tokens(std::size_t i) const noexcept { return items_[i].tokens; }
  void set_tokens(std::size_t i, std::int32_t tokens) noexcept { items_[i].tokens = tokens; }
  /// Says whose tokens are kept; another vocabulary than before forgets the counts.
  void use_vocabulary(std::string_view vocabulary);

private:
  struct item {
    std::uint32_t offset;
    std::int32_t tokens;
    std::uint8_t role;
  };

  void pack(const v1::Message& message, bool with_parent);
  std::size_t end_of(std::size_t i) const noexcept;
  void drop_front(std::size_t count);

  std::string packed_; // a message: its id's length in two bytes, its id, the rest serialised
  std::vector<item> items_;
  std::uint32_t vocabulary_ = 0; // hash of its name
  bool truncated_ = false;
};

} // namespace troupe
