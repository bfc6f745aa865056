// The ranks of one vocabulary, mapped into memory, and exact byte-pair merging by them.
#pragma once

#include "actors/tokenizer/vocabulary_file.hpp"

#include <cstddef>
#include <filesystem>
#include <span>
#include <string_view>
#include <vector>

namespace troupe::tokens {

/// Immutable and thread-safe. Opening maps the file and reads nothing but its header.
class rank_table {
public:
  /// Throws std::runtime_error, saying what to do, if the file is not there or not whole.
  explicit rank_table(const std::filesystem::path& path);
  ~rank_table();
  rank_table(const rank_table&) = delete;
  rank_table& operator=(const rank_table&) = delete;

  /// Memory that encoding a piece needs; reuse one for many pieces.
  struct scratch {
    std::vector<token_id> tokens;
    std::vector<bool> failed;
    std::vector<std::uint64_t> neighbours; // what was found of two tokens, in long pieces
  };

  /// The tokens of one piece: those that merging the pair of the least rank first, the leftmost of
  /// equals, comes to; a piece that is a token itself is that token. The piece is not empty. The
  /// result lives in `memory` until its next use. Takes time linear in the piece's length.
  std::span<const token_id> encode(std::string_view piece, scratch& memory) const;

  /// The bytes of a token, which may be part of a character; empty if no token has this id.
  std::string_view text_of(token_id id) const noexcept;

  /// All ids are below it.
  std::size_t size() const noexcept { return header_->tokens; }

private:
  struct match {
    token_id token = no_token; // the longest that begins the text
    bool whole = false;        // and it is the whole text
  };
  match longest_match(std::string_view text) const noexcept;
  std::size_t bytes_of(token_id id) const noexcept;
  token_id merged(token_id left, token_id right) const noexcept;
  bool may_stand_together(token_id left, token_id right) const noexcept;
  bool recall_neighbours(token_id left, token_id right, scratch& memory) const noexcept;
  void backtrack(std::string_view piece, token_id first, scratch& memory) const;

  const std::byte* data_ = nullptr;
  std::size_t data_bytes_ = 0;
  const file::header* header_ = nullptr;
  const std::uint32_t* text_end_ = nullptr;
  const token_id* shorter_ = nullptr;
  const file::halves* halves_ = nullptr;
  const file::node* nodes_ = nullptr;
  const file::pair* pairs_ = nullptr;
  const char* text_ = nullptr;
};

} // namespace troupe::tokens
