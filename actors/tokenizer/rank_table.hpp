// The ranks of one vocabulary, mapped into memory, and exact byte-pair merging by them.
#pragma once

#include "actors/tokenizer/thread_memory.hpp"
#include "actors/tokenizer/vocabulary_file.hpp"

#include <cstddef>
#include <filesystem>
#include <span>
#include <string_view>
#include <utility>
#include <vector>

namespace troupe::tokens {

/// Immutable and thread-safe. Opening maps the file and reads nothing but its header.
class rank_table {
public:
  /// Throws std::runtime_error, saying what to do, if the file is not there or not whole.
  explicit rank_table(const std::filesystem::path& path);
  /// Of what build_vocabulary made.
  explicit rank_table(std::vector<std::byte> image);
  ~rank_table();
  rank_table(const rank_table&) = delete;
  rank_table& operator=(const rank_table&) = delete;

  /// Memory that encoding the pieces of a text needs. Not to be kept: it refers to the thread's.
  class scratch {
  public:
    explicit scratch(const rank_table& table) : thread(memory_of_thread(table.serial_)) {}

  private:
    friend rank_table;
    thread_memory& thread;
    std::vector<token_id> tokens;
    std::vector<token_id> joined;      // of a piece's parts
    std::vector<std::uint64_t> failed; // bits
  };

  /// Gives the sink the tokens of the piece [begin, end) of the text: those that merging the pair
  /// of the least rank first, the leftmost of equals, comes to. The piece is not empty. They come
  /// as a piece_slot or as a span, which live until the next use of `memory`; the sink's answer is
  /// the result. Takes time linear in the piece's length.
  template <class Sink>
  [[gnu::always_inline]] bool encode(std::string_view text, std::size_t begin, std::size_t end,
                                     scratch& memory, Sink& sink) const {
    auto size = end - begin;
    if (size > piece_bytes_max) [[unlikely]]
      return sink(encode_anew({text.data() + begin, size}, memory));
    auto key = piece_key_of(text, begin, size);
    auto& slot = memory.thread.slot_of(key);
    if (slot.key != key) [[unlikely]]
      return sink(remember({text.data() + begin, size}, key, slot, memory));
    return sink(std::as_const(slot));
  }

  /// The bytes of a token, which may be part of a character; empty if no token has this id.
  std::string_view text_of(token_id id) const noexcept;

  /// All ids are below it.
  std::size_t size() const noexcept { return header_->tokens; }

private:
  struct match {
    token_id token = no_token; // the longest that begins the text
    std::uint32_t bytes = 0;
    token_id whole = no_token; // what the whole text is
  };
  void use(const std::byte* data, std::size_t bytes);
  std::span<const token_id> remember(std::string_view piece, const piece_key& key, piece_slot& slot,
                                     scratch& memory) const;
  std::span<const token_id> encode_anew(std::string_view piece, scratch& memory) const;
  std::span<const token_id> encode_parts(std::string_view piece, scratch& memory) const;
  std::size_t end_of_part(std::string_view piece, std::size_t begin) const noexcept;
  token_id* encode_part(std::string_view piece, std::size_t begin, std::size_t end, scratch& memory,
                        token_id* out) const;
  match longest_match(std::string_view text) const noexcept;
  std::uint32_t bytes_of(token_id id) const noexcept;
  token_id merged(token_id left, token_id right) const noexcept;
  bool may_stand_together(token_id left, token_id right) const noexcept;
  token_id first_that_fits(token_id left, token_id candidate) const noexcept;
  bool merges_cross(std::uint32_t left, std::uint32_t right) const noexcept {
    return ((*crossings_)[right >> 12] >> (left & 63) & 1) != 0
           || file::bit_of(wide_, file::wide_bit(left, right, header_->wide_log2));
  }
  token_id go_back(std::size_t size, std::size_t& at, token_id& left, std::uint32_t& bytes,
                   scratch& memory) const;
  void backtrack(std::string_view piece, match first, scratch& memory) const;

  std::uint64_t serial_;
  std::vector<std::byte> image_;
  const std::byte* mapped_ = nullptr;
  std::size_t mapped_bytes_ = 0;
  const file::header* header_ = nullptr;
  const file::token_entry* entries_ = nullptr;
  const file::node* nodes_ = nullptr;
  const file::start* starts_ = nullptr;
  const file::single* singles_ = nullptr;
  const file::pair* pairs_ = nullptr;
  const std::uint64_t* filter_ = nullptr;
  const std::uint64_t* wide_ = nullptr;
  const file::crossings* crossings_ = nullptr;
  const char* text_ = nullptr;
};

} // namespace troupe::tokens
