// Vocabularies of other models: tokenizer.json, as models come with it.
#pragma once

#include "actors/tokenizer/encoding.hpp"

#include <cstddef>
#include <filesystem>
#include <string>
#include <string_view>

namespace troupe::tokens {

/// Of a tokenizer.json. The largest known have 35 MB.
inline constexpr std::size_t tokenizer_json_bytes_max = 64 * 1'024 * 1'024;

/// Of its added tokens.
inline constexpr std::size_t added_tokens_max = 16'384;
inline constexpr std::size_t added_token_bytes_max = 1'024;

/// Reads a vocabulary of the byte-level BPE kind: of Qwen, DeepSeek, Llama 3 and GPT-2, and of what
/// was made like them. Its split pattern must be one that split.hpp has, its normal form NFC or
/// none, its merges in the order of their tokens' ids. What adds tokens around a text
/// (post_processor) is not done, as it belongs to a prompt and not to a text in it.
///
/// Throws std::runtime_error, saying what is wrong with it, for anything else: a vocabulary that
/// would count wrong is refused. Safe on hostile content; takes time and memory linear in its size.
vocabulary_parts parse_tokenizer_json(std::string name, std::string_view content);

/// The same from a file.
vocabulary_parts load_tokenizer_json(std::string name, const std::filesystem::path& file);

} // namespace troupe::tokens
