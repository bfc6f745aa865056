// Which shard a conversation belongs to: the same on every node and in every version.
#pragma once

#include <string_view>

namespace troupe {

/// Shards of a cluster. Never changes: rows of the store hold shard numbers.
inline constexpr int shard_count = 1024;

/// The shard of a conversation, from 0 to `shard_count` - 1.
int shard_of(std::string_view conversation_id) noexcept;

} // namespace troupe
