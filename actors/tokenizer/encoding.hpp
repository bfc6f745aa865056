// A vocabulary at work: texts to tokens and back. Exact to the token with OpenAI's tiktoken.
#pragma once

#include "actors/tokenizer/rank_table.hpp"
#include "actors/tokenizer/vocabulary_names.hpp"

#include <cstdint>
#include <filesystem>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace troupe::tokens {

/// What to do with texts like <|endoftext|>. Untrusted text never gets special tokens.
enum class specials { as_text, allowed };

struct token_count {
  std::int64_t tokens = 0;
  bool limit_reached = false; // there are more than the limit; `tokens` is a part of them
};

/// Immutable and thread-safe.
///
/// Texts are UTF-8. Bytes that are not are encoded as they are, each as a symbol of its own for the
/// split pattern, so that decoding gives back every text byte by byte. (tiktoken knows strings
/// only; a client that sends such bytes as JSON sends U+FFFD instead.)
class encoding {
public:
  encoding(const vocabulary_info& info, std::shared_ptr<const rank_table> ranks);

  std::string_view name() const noexcept { return info_.name; }

  std::vector<token_id> encode(std::string_view text, specials mode = specials::as_text) const;

  /// How many tokens `encode` gives. With a `limit` above 0 it stops soon after there are more.
  token_count count(std::string_view text, std::int64_t limit = 0,
                    specials mode = specials::as_text) const;

  /// The bytes of a token: of a special one its text. Nothing if no token has this id.
  std::optional<std::string_view> text_of(token_id id) const noexcept;

  /// The texts of the tokens, one after another; nothing if one of the ids is no token. The result
  /// is UTF-8 if the tokens came from such a text whole.
  std::optional<std::string> decode(std::span<const token_id> ids) const;

  /// How many bytes of the text's beginning to keep so that they are at most `tokens_max` tokens
  /// and no character is broken. The cut lies at a token's border, or before the character that
  /// the border breaks.
  std::size_t truncate(std::string_view text, std::int64_t tokens_max) const;

private:
  template <class Sink>
  void for_each_piece(std::string_view text, specials mode, Sink&& sink) const;
  const special_token* special_at(std::string_view text) const noexcept;

  vocabulary_info info_;
  std::shared_ptr<const rank_table> ranks_;
  std::vector<special_token> specials_;
};

/// Opens vocabularies when they are first asked for, and keeps them. Thread-safe.
class library {
public:
  /// Looks for files in these folders, in this order.
  explicit library(std::vector<std::filesystem::path> folders = default_folders());

  /// nullptr if no vocabulary has this name. Throws std::runtime_error, saying what to do, if its
  /// file is missing or damaged.
  std::shared_ptr<const encoding> find(std::string_view name);

  /// $TROUPE_SHARE; then share/troupe in the program's folder and in the two above it.
  static std::vector<std::filesystem::path> default_folders();

private:
  std::shared_ptr<const rank_table> open_ranks(std::string_view name);

  std::vector<std::filesystem::path> folders_;
  std::mutex mutex_;
  std::map<std::string, std::shared_ptr<const rank_table>, std::less<>> ranks_;
  std::map<std::string, std::shared_ptr<const encoding>, std::less<>> encodings_;
};

} // namespace troupe::tokens
