// Hashes of the first codes of a word, for the gates of automaton.hpp.
#pragma once

#include <array>
#include <cstdint>

namespace troupe::moderation::groups {

/// Of codes, the first one in the lowest 16 bits; those above are 0. Its upper bits are good.
constexpr std::uint64_t hashed(std::uint64_t codes) { return codes * 0x9e37'79b9'7f4a'7c15u; }

/// The last byte of each of four codes: most four of Latin codes differ by these.
constexpr std::uint32_t low_bytes(std::uint64_t four) {
  auto bytes = four & 0x00ff'00ff'00ff'00ffu;
  bytes = (bytes | bytes >> 8) & 0x0000'ffff'0000'ffffu;
  return static_cast<std::uint32_t>(bytes | bytes >> 16);
}

/// Of a pair of codes or of `low_bytes`. Its upper bits are good.
inline constexpr std::uint32_t key_factor = 0x9e37'79b1u;
constexpr std::uint32_t hashed_key(std::uint32_t key) { return key * key_factor; }

namespace details {
constexpr auto made_ways() {
  std::array<std::uint64_t, 1'024> made{};
  for (std::uint32_t i = 0; i < made.size(); ++i) {
    auto hashed = (i + 1) * 0x9e37'79b1u;
    for (auto shift : {26, 20, 14})
      made[i] |= std::uint64_t{1} << (hashed >> shift & 63);
  }
  return made;
}
inline constexpr auto ways = made_ways();
} // namespace details

/// How a word goes on after its first two codes, or after its first four if it is a Latin one:
/// three of 64 bits, by the next code or two, which are not 0, or by there being none.
constexpr std::uint64_t way(std::uint32_t next) { return details::ways[next * 0x9e37'79b1u >> 22]; }
inline constexpr std::uint64_t no_way = way(0);

/// Whether words may go on so: 1 or 0.
constexpr unsigned has_way(std::uint64_t closed, std::uint32_t next) {
  return static_cast<unsigned>((closed & way(next)) == 0);
}

} // namespace troupe::moderation::groups
