// Tokens that stand for a text as it is, before anything is split or merged.
#pragma once

#include "actors/tokenizer/byte_trie.hpp"
#include "actors/tokenizer/vocabulary_file.hpp"

#include <array>
#include <cstddef>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace troupe::tokens {

/// A text that stands for one id.
struct special_token {
  std::string text;
  token_id id;
  /// It controls the model, and is taken only where special tokens are allowed. Others (Qwen's
  /// <think>) are taken in every text, as the model's own tokenizer does.
  bool control = true;
};

/// Finds them. Immutable and thread-safe.
class added_tokens {
public:
  /// The texts are not empty.
  explicit added_tokens(std::vector<special_token> tokens);

  bool empty() const noexcept { return tokens_.empty(); }

  /// The bytes of an id; nothing if no added token has it.
  std::optional<std::string_view> text_of(token_id id) const noexcept;

  struct found {
    std::size_t at;
    const special_token* token;
  };

  /// The first added token that begins at `from` or later, the longest of those that begin there.
  /// A single pass over the text: each place takes at most the longest token's bytes.
  std::optional<found> next(std::string_view text, std::size_t from) const noexcept;

private:
  std::vector<special_token> tokens_; // in the order of their ids
  byte_trie trie_;                    // to their indices
  std::array<bool, 256> begins_{};    // whether one begins with the byte
  int only_first_ = -1;               // the byte that all begin with
};

} // namespace troupe::tokens
