// A vocabulary at work: texts to tokens and back. Exact to the token with OpenAI's tiktoken, and
// with the tokenizers of models that come as tokenizer.json.
#pragma once

#include "actors/tokenizer/added_tokens.hpp"
#include "actors/tokenizer/rank_table.hpp"
#include "actors/tokenizer/vocabulary_names.hpp"

#include <cstdint>
#include <filesystem>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace troupe::tokens {

/// What to do with texts like <|endoftext|>. Untrusted text never gets special tokens: it is taken
/// as text, or refused by asking `first_special` before.
enum class specials { as_text, allowed };

struct token_count {
  std::int64_t tokens = 0;
  bool limit_reached = false; // there are more than the limit; `tokens` is a part of them
};

/// A token, and the bytes [begin, end) of the text that it stands for.
struct token_place {
  token_id id;
  std::size_t begin, end;
  bool operator==(const token_place&) const = default;
};

/// A special token that stands in a text.
struct special_place {
  std::size_t begin;
  std::string_view text;
  token_id id;
};

/// What an encoding is made of.
struct vocabulary_parts {
  std::string name;
  split_pattern pattern;
  bool composed = false; // texts are brought to NFC first
  std::shared_ptr<const rank_table> ranks;
  std::vector<special_token> added;
};

/// Immutable and thread-safe.
///
/// Texts are UTF-8. Bytes that are not are encoded as they are, each as a symbol of its own for the
/// split pattern, so that decoding gives back every text byte by byte; of a vocabulary that is
/// composed, its NFC. (tiktoken knows strings only; a client that sends such bytes as JSON sends
/// U+FFFD instead.)
class encoding {
public:
  explicit encoding(vocabulary_parts made_of);
  encoding(const vocabulary_info& info, std::shared_ptr<const rank_table> ranks);

  std::string_view name() const noexcept { return parts_.name; }

  /// How many tokens there are, special ones with them.
  std::size_t size() const noexcept { return parts_.ranks->size() + parts_.added.size(); }

  std::vector<token_id> encode(std::string_view text, specials mode = specials::as_text) const;

  /// As `encode`, with each token's bytes. They follow each other without gaps. What NFC changed
  /// belongs to the first token that has a part of it, and others within it are empty.
  std::vector<token_place> encode_with_places(std::string_view text,
                                              specials mode = specials::as_text) const;

  /// How many tokens `encode` gives. With a `limit` above 0 it stops soon after there are more.
  token_count count(std::string_view text, std::int64_t limit = 0,
                    specials mode = specials::as_text) const;

  /// The first special token in the text: who does not want any refuses the text then.
  std::optional<special_place> first_special(std::string_view text) const noexcept;

  /// The bytes of a token: of a special one its text. Nothing if no token has this id.
  std::optional<std::string_view> text_of(token_id id) const noexcept;

  /// The texts of the tokens, one after another; nothing if one of the ids is no token. The result
  /// is UTF-8 if the tokens came from such a text whole.
  std::optional<std::string> decode(std::span<const token_id> ids) const;

  /// How many bytes of the text's beginning to keep so that they are at most `tokens_max` tokens
  /// and no character is broken. The cut lies at a token's border, or before the character that
  /// the border breaks.
  std::size_t truncate(std::string_view text, std::int64_t tokens_max) const;

  /// Where the chunks of a text end, each of at most `tokens_max` tokens (at least 1) and cut as
  /// `truncate` does. A character that alone is more tokens is a chunk by itself. The last is the
  /// text's size; an empty text has none.
  std::vector<std::size_t> split(std::string_view text, std::int64_t tokens_max) const;

private:
  template <class Special, class Plain>
  void for_each_part(std::string_view text, specials mode, Special&& special, Plain&& plain) const;
  template <class Sink>
  bool split_and_merge(std::string_view part, rank_table::scratch& memory, Sink&& sink) const;
  template <class Sink>
  void for_each_piece(std::string_view text, specials mode, Sink&& sink) const;
  template <class Sink>
  void for_each_place(std::string_view text, specials mode, Sink&& sink) const;

  std::size_t longest_cut(std::string_view text, std::size_t start,
                          std::span<const std::size_t> ends, std::size_t tokens_max) const;

  vocabulary_parts parts_;
  added_tokens added_;  // all
  added_tokens always_; // those that are taken in every text
};

/// Opens vocabularies when they are first asked for, and keeps them. Thread-safe.
class library {
public:
  /// Looks for files in these folders, in this order.
  explicit library(std::vector<std::filesystem::path> folders = default_folders());

  /// nullptr if no vocabulary has this name. Throws std::runtime_error, saying what to do, if its
  /// file is missing or damaged.
  std::shared_ptr<const encoding> find(std::string_view name);

  /// Takes a vocabulary from a tokenizer.json (see tokenizer_json.hpp) under a name, which `find`
  /// then knows too; one that was there under it is replaced. Throws std::runtime_error, saying
  /// what is wrong, if the file cannot be used or OpenAI's vocabularies have the name.
  std::shared_ptr<const encoding> add(std::string name, const std::filesystem::path& file);

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
