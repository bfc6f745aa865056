// Which vocabularies there are, and which one a model speaks.
#pragma once

#include "actors/tokenizer/added_tokens.hpp"
#include "actors/tokenizer/split.hpp"
#include "actors/tokenizer/vocabulary_file.hpp"

#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace troupe::tokens {

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

/// The models that speak a vocabulary, by name; with * at its end, every name that begins so.
std::vector<std::string_view> models_of_vocabulary(std::string_view name);

/// What a model's texts are counted with.
struct model_vocabulary {
  std::string_view name;
  bool estimated; // o200k_base is a guess: the model is not known, or has a vocabulary of its own
  /// Its own vocabulary, by the name that its tokenizer.json should have in the library; empty if
  /// it is not known, or `name` is it.
  std::string_view own;
};

/// By the model's name without regard to case, with or without a version after it
/// (gpt-4o-2024-08-06), a fine-tune around it (ft:gpt-4o:...) or a provider before it
/// (openai/gpt-4o). Configuration may know better: see `models:` in the configuration.
model_vocabulary vocabulary_of_model(std::string_view model) noexcept;

/// What a model's chat format adds to the tokens of its fields: once `prompt` to open it; for each
/// message `per_message` and the tokens of its content and name, and of its role where that is a
/// text (`role_is_text`), or `per_reply` more for an earlier answer of the model; `per_name` for a
/// name; and once `reply` to open the answer. OpenAI's as their cookbook documents it, others as
/// their chat templates have it. Tool definitions, images and reasoning follow no such rule.
struct chat_overhead {
  int per_message;
  int per_name;
  int reply;
  int prompt = 0;
  int per_reply = 0;
  bool role_is_text = true;
};

/// By the model's name, as vocabulary_of_model takes it. An unknown model is counted as OpenAI's.
chat_overhead chat_overhead_of(std::string_view model) noexcept;

/// Of whom a message is, for chat_tokens.
enum class chat_role { system, user, assistant, tool };

/// The tokens of one message around those of its content: its overhead, and those of its role
/// (`role_tokens`, which is 1 in every vocabulary for the usual ones) where the format has it.
int message_overhead(const chat_overhead& format, chat_role role, int role_tokens = 1) noexcept;

} // namespace troupe::tokens
