// Hashes of the first codes of a word, for the gates of automaton.hpp.
#pragma once

#include <cstdint>

namespace troupe::moderation::groups {

/// Of codes, the first one in the lowest 16 bits; those above are 0. Its upper bits are good.
constexpr std::uint64_t hashed(std::uint64_t codes) { return codes * 0x9e37'79b9'7f4a'7c15u; }

/// How a word goes on after its first two codes, or after its first four if it is a Latin one: one
/// of 64 ways, by the next code or two, which are not 0, or by there being none.
constexpr unsigned way(std::uint32_t next) {
  return static_cast<unsigned>((next + 1u) * 0x9e37'79b1u >> 26);
}

} // namespace troupe::moderation::groups
