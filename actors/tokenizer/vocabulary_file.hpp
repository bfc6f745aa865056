// The binary form of a vocabulary, as vocabulary_builder.hpp makes it and rank_table.hpp reads it:
// in memory, or in a file that is mapped. It is made on the machine that reads it: byte order and
// layout are its own.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <string_view>

namespace troupe::tokens {

using token_id = std::uint32_t;

inline constexpr token_id no_token = 0xffff'ffff;

/// Ids are below it.
inline constexpr token_id tokens_max = 0xf'ffff;

/// Of one token.
inline constexpr std::size_t token_bytes_max = 0xffff;

namespace file {

inline constexpr std::array<char, 8> magic = {'T', 'R', 'P', 'V', 'O', 'C', '0', '3'};

/// First in the file. The sections follow in this order without gaps: `token_entry` (one a token),
/// `node`, `start` and `single` (one a code point below 0x10000 each), `pair`, the bits of
/// filter_bit and of wide_bit in 64-bit words, and the tokens' bytes.
struct header {
  std::array<char, 8> magic;
  std::uint32_t tokens;     // ids are below it; an id that is no token has no bytes
  std::uint32_t nodes;      // of the trie; a multiple of 256
  std::uint32_t pairs_log2; // the table of pairs has 2^this slots
  std::uint32_t text_bytes;
  std::array<std::uint8_t, 32> source_sha256; // of the file it was made from
  std::uint32_t wide_log2;                    // there are 2^this bits of wide_bit
  std::uint32_t reserved;
};

struct token_entry {
  std::uint32_t text_end; // where its bytes end; they begin where those of the id before end
  token_id shorter;       // the longest token that begins it, is made by merging and is not it
  token_id left, right;   // whose merge makes it; a single byte is its own two halves
};

/// A node of the double-array trie over all tokens. The child by byte c of node n is node
/// (first_child ^ c), if that node's label is c: no two nodes have the same first_child. Node 0 is
/// the root.
struct node {
  std::uint32_t link; // first_child << 9 | label
  token_id token;     // that ends here, or no_token
};

inline constexpr std::uint32_t label_bits = 9;
inline constexpr std::uint32_t no_label = 0x1ff; // of a free node: no byte equals it
inline constexpr std::uint32_t nodes_max = 1u << (32 - label_bits);

/// Set in node::token when merging never makes the token: it is used for a whole piece only.
inline constexpr token_id whole_piece_only = 0x8000'0000;

/// Where a walk from the root stands after the bytes of a code point of two or three bytes.
struct start {
  std::uint32_t node;  // 0 when no token goes on from there
  token_id token : 20; // the longest so far that merging makes, if it has bytes
  token_id bytes : 2;
  token_id odd : 1; // some token goes on from there, and ends inside the next code point
};

/// The tokens of a code point of three bytes, when nothing beside it merges with a part of it.
struct single {
  std::uint64_t first : 20, second : 20, third : 20;
  std::uint64_t count : 4;
};

/// One slot of the table of merges: an open hash by linear probing.
struct pair {
  token_id left, right, merged; // left is no_token in a free slot
};

inline constexpr std::uint32_t filter_bits_log2 = 2; // for each slot of the table

inline std::size_t pair_slot(token_id left, token_id right, std::uint32_t pairs_log2) noexcept {
  auto key = static_cast<std::uint64_t>(left) << 32 | right;
  return static_cast<std::size_t>(key * 0x9e37'79b9'7f4a'7c15u >> (64 - pairs_log2));
}

/// Set for every pair in the table: most that are not in it need no look there.
inline std::size_t filter_bit(token_id left, token_id right, std::uint32_t pairs_log2) noexcept {
  return pair_slot(left, right, pairs_log2 + filter_bits_log2);
}

/// Set for every two code points of three bytes that stand together in a token. They are few: most
/// texts in such scripts are single code points.
inline std::size_t wide_bit(std::uint32_t first, std::uint32_t second,
                            std::uint32_t wide_log2) noexcept {
  return ((first << 16 | second) * 0x9e37'79b1u) >> (32 - wide_log2);
}

/// Which last and first bytes of two code points of three bytes have a token across their border
/// that has not both of them whole: bit (last & 63) of word (first & 15). In Chinese, hardly any
/// do. Without one, and without wide_bit, no merge ever takes what stands at both sides of the
/// border.
using crossings = std::array<std::uint64_t, 16>;

inline bool bit_of(const std::uint64_t* bits, std::size_t i) noexcept {
  return (bits[i / 64] >> i % 64 & 1) != 0;
}

} // namespace file

/// A rank file that Troupe converts: its name, and its SHA-256 as tiktoken publishes it.
struct rank_source {
  std::string_view name;
  std::string_view sha256;
};

inline constexpr std::array<rank_source, 4> rank_sources{{
    {"cl100k_base", "223921b76ee99bde995b7ff738513eef100fb51d18c93597a113bcffe865b2a7"},
    {"o200k_base", "446a9538cb6c348e3516120d7c08b09f57c36495e2acfffe59a5bf8b0cfb1a2d"},
    {"p50k_base", "94b5ca7dff4d00767bc256fdd1b27e5b17361d7b8a5f968547f9f23eb70d2069"},
    {"r50k_base", "306cd27f03c1a714eca7108e03d66b7dc042abe8c258b44c199a7ed9838dd930"},
}};

} // namespace troupe::tokens
