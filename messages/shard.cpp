#include "messages/shard.hpp"

#include <cstdint>

namespace troupe {

int shard_of(std::string_view conversation_id) noexcept {
  // FNV-1a, 64 bits; its high bits mix better than its low ones.
  std::uint64_t hash = 14'695'981'039'346'656'037ull;
  for (char c : conversation_id) {
    hash ^= static_cast<unsigned char>(c);
    hash *= 1'099'511'628'211ull;
  }
  return static_cast<int>((hash ^ (hash >> 32)) >> 7 & (shard_count - 1));
}

} // namespace troupe
