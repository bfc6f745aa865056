// Which vocabularies there are, and which one a model speaks.
#pragma once

#include "actors/tokenizer/split.hpp"
#include "actors/tokenizer/vocabulary_file.hpp"

#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace troupe::tokens {

/// A special token: a text that stands for one id where it is allowed.
struct special_token {
  std::string text;
  token_id id;
};

/// A vocabulary as users name it: a rank file, a split pattern and special tokens.
struct vocabulary_info {
  std::string_view name;  // o200k_base
  std::string_view ranks; // the rank file: name.vocab in the share folder
  split_pattern pattern;
};

/// All vocabularies, in order of their names.
std::span<const vocabulary_info> vocabularies() noexcept;

/// nullptr if there is none of this name.
const vocabulary_info* find_vocabulary(std::string_view name) noexcept;

/// The special tokens of a vocabulary, as tiktoken lists them.
std::vector<special_token> special_tokens_of(const vocabulary_info& vocabulary);

/// What a model's texts are counted with.
struct model_vocabulary {
  std::string_view name;
  bool estimated; // the model is not known: o200k_base is a guess
};

/// By the model's name without regard to case, with or without a version after it
/// (gpt-4o-2024-08-06), a fine-tune around it (ft:gpt-4o:...) or a provider before it
/// (openai/gpt-4o). Configuration may know better: see `models:` in the configuration.
model_vocabulary vocabulary_of_model(std::string_view model) noexcept;

/// What OpenAI's chat format adds to the tokens of its fields, as their cookbook documents it:
/// a prompt has, for each message, `per_message` tokens and those of its role, content and name,
/// `per_name` for a name, and once `reply` to open the answer. Tool definitions and images follow
/// no published rule.
struct chat_overhead {
  int per_message;
  int per_name;
  int reply;
};
chat_overhead chat_overhead_of(std::string_view model) noexcept;

} // namespace troupe::tokens
