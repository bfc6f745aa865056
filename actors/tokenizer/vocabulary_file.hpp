// The binary form of a vocabulary, as tools/convert_vocabulary.cpp writes it and rank_table.hpp
// maps it into memory. It is made on the machine that reads it: byte order and layout are its own.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <string_view>

namespace troupe::tokens {

using token_id = std::uint32_t;

inline constexpr token_id no_token = 0xffff'ffff;

namespace file {

inline constexpr std::array<char, 8> magic = {'T', 'R', 'P', 'V', 'O', 'C', '0', '1'};

/// First in the file. The sections follow in this order without gaps: `text_end`, `shorter`,
/// `halves` (one each a token), `nodes`, `pairs`, and the tokens' bytes.
struct header {
  std::array<char, 8> magic;
  std::uint32_t tokens;     // ids are below it; an id that is no token has no bytes
  std::uint32_t nodes;      // of the trie; a multiple of 256
  std::uint32_t pairs_log2; // the table of pairs has 2^this slots
  std::uint32_t text_bytes;
  std::array<std::uint8_t, 32> source_sha256; // of the rank file it was made from
};

/// The two tokens whose merge makes a token; a single byte is its own two halves.
struct halves {
  token_id left, right;
};

/// A node of the double-array trie over all tokens. The child by byte c of node n is node
/// (first_child ^ c), if that node's parent is n. Node 0 is the root.
struct node {
  std::uint32_t first_child;
  std::uint32_t parent;
  token_id token; // that ends here, or no_token
};

/// Set in node::token when merging never makes the token: it is used for a whole piece only.
inline constexpr token_id whole_piece_only = 0x8000'0000;

/// One slot of the table of merges: an open hash by linear probing.
struct pair {
  token_id left, right, merged; // left is no_token in a free slot
};

inline std::size_t pair_slot(token_id left, token_id right, std::uint32_t pairs_log2) noexcept {
  auto key = static_cast<std::uint64_t>(left) << 32 | right;
  return static_cast<std::size_t>(key * 0x9e37'79b9'7f4a'7c15u >> (64 - pairs_log2));
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
