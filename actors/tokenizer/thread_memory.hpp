// What a thread remembers of a vocabulary's pieces and neighbours.
#pragma once

#include "actors/tokenizer/vocabulary_file.hpp"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>
#include <string_view>

namespace troupe::tokens {

/// Longer pieces are not remembered.
inline constexpr std::size_t piece_bytes_max = 15;

/// A piece's bytes, zeros after them, and its length as the last byte.
struct piece_key {
  std::uint64_t low, high;
  bool operator==(const piece_key&) const = default;
};

inline piece_key piece_key_of(std::string_view text, std::size_t begin, std::size_t size) noexcept {
  piece_key key{0, 0};
  if (begin + sizeof key <= text.size()) {
    std::memcpy(&key, text.data() + begin, sizeof key);
    if (size < 8) {
      key.low &= (std::uint64_t{1} << size * 8) - 1;
      key.high = 0;
    } else {
      key.high &= (std::uint64_t{1} << (size - 8) * 8) - 1;
    }
  } else {
    std::memcpy(&key, text.data() + begin, size);
  }
  key.high |= static_cast<std::uint64_t>(size) << 56;
  return key;
}

/// The tokens of a piece. Free while its key is 0, which is no piece's.
struct piece_slot {
  static constexpr std::size_t ids_max = 3;
  piece_key key;
  token_id ids[ids_max];
  std::uint32_t count;

  /// False, and nothing is remembered, if they are too many.
  bool set(const piece_key& whose, std::span<const token_id> tokens) noexcept {
    if (tokens.size() > ids_max)
      return false;
    key = whose;
    count = static_cast<std::uint32_t>(tokens.size());
    std::copy(tokens.begin(), tokens.end(), ids);
    return true;
  }
};

/// Set in the key of a part of a piece, which is never a piece's.
inline constexpr auto part_of_piece = std::uint64_t{0x80} << 56;

/// Two direct-mapped tables. Both are exact: what shares a slot with something else is made anew.
class thread_memory {
public:
  piece_slot& slot_of(const piece_key& key) noexcept {
    auto mixed = (key.low ^ key.high * 0x9e37'79b9'7f4a'7c15u) * 0xff51'afd7'ed55'8ccdu;
    return pieces_[mixed >> (64 - pieces_log2)];
  }

  /// After `left`, when `longest` is the longest token of what follows: the longest that begins it
  /// and may stand there.
  struct neighbour {
    token_id fits;
    std::uint32_t bytes;
  };

  /// Where it is remembered, which is the one place for these two.
  struct place {
    std::uint64_t* entry;
    std::uint64_t tag;
    bool known() const noexcept { return *entry >> (64 - tag_bits - 1) == tag; }
    neighbour get() const noexcept {
      return {static_cast<token_id>(*entry & id_mask),
              static_cast<std::uint32_t>(*entry >> id_bits & 0xffff)};
    }
    void set(neighbour n) const noexcept {
      *entry = tag << (64 - tag_bits - 1) | static_cast<std::uint64_t>(n.bytes) << id_bits
               | (n.fits & id_mask);
    }
  };

  // Both ids are 40 bits; multiplying by an odd number is one to one on them. The upper ones say
  // where, the lower ones and a 1 are the tag.
  place place_of(token_id left, token_id longest) noexcept {
    constexpr auto keys_mask = (std::uint64_t{1} << 2 * id_bits) - 1;
    auto key = static_cast<std::uint64_t>(left & id_mask) << id_bits | longest;
    auto mixed = key * 0x9e37'79b9'7f4a'7c15u & keys_mask;
    return {&neighbours_[mixed >> tag_bits],
            (mixed & ((std::uint64_t{1} << tag_bits) - 1)) | std::uint64_t{1} << tag_bits};
  }

  static constexpr unsigned id_bits = 20;
  static constexpr std::uint64_t id_mask = (1u << id_bits) - 1;

private:
  static constexpr unsigned pieces_log2 = 16;
  static constexpr unsigned neighbours_log2 = 15;
  static constexpr unsigned tag_bits = 2 * id_bits - neighbours_log2;

  piece_slot pieces_[std::size_t{1} << pieces_log2];
  std::uint64_t neighbours_[std::size_t{1} << neighbours_log2];
};

static_assert(tokens_max <= thread_memory::id_mask);

/// This thread's memory of the table with this number; a thread remembers the four that it used
/// last.
thread_memory& memory_of_thread(std::uint64_t table);

} // namespace troupe::tokens
