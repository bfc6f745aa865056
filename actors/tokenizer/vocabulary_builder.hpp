// Makes the binary form of a vocabulary from its tokens and merges.
#pragma once

#include "actors/tokenizer/vocabulary_file.hpp"

#include <array>
#include <cstddef>
#include <string>
#include <vector>

namespace troupe::tokens {

/// Two tokens that become one, whose bytes are theirs one after another.
struct merge {
  token_id left, right, merged;
};

struct vocabulary_source {
  std::vector<std::string> tokens; // by id; an id that is no token is empty
  /// In the order in which they are made, which must be that of what they make. If there are none,
  /// any two tokens merge whose bytes together are a token: the rule of tiktoken's rank files.
  std::vector<merge> merges;
  /// A piece that is a token is that token, also when merging would not make it.
  bool whole_pieces = true;
  std::array<std::uint8_t, 32> sha256{}; // of the file it came from
};

/// The vocabulary as rank_table reads it. Throws std::runtime_error, saying what is wrong, if a
/// byte has no token, a token is there twice, or merges do not come in the order of their tokens:
/// the encoder undoes them by comparing ids. Takes time linear in the source's size.
std::vector<std::byte> build_vocabulary(const vocabulary_source& source);

} // namespace troupe::tokens
