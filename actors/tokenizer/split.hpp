// Cuts a text into the pieces that byte-pair merges never cross.
#pragma once

#include <cstddef>
#include <string_view>

namespace troupe::tokens {

/// The split patterns of vocabularies, as regular expressions of tiktoken and of tokenizer.json:
///
/// gpt2 (r50k_base, p50k_base):
///   's|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+
/// cl100k:
///   (?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*
///   |\s*[\r\n]+|\s+(?!\S)|\s+
/// o200k:
///   [^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]*[\p{Ll}\p{Lm}\p{Lo}\p{M}]+(?i:'s|...)?
///   |[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]+[\p{Ll}\p{Lm}\p{Lo}\p{M}]*(?i:'s|...)?
///   |\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+
/// qwen: as cl100k, but with \p{N} for \p{N}{1,3}
/// deepseek: three, one after another, each in what those before have left:
///   \p{N}{1,3}
///   [\u4e00-\u9fa5\u3040-\u30ff]+
///   [!-/:-@\[-`{-~][A-Za-z]+|[^\r\n\p{L}\p{P}\p{S}]?[\p{L}\p{M}]+| ?[\p{P}\p{S}]+[\r\n]*
///   |\s*[\r\n]+|\s+(?!\S)|\s+
enum class split_pattern { gpt2, cl100k, o200k, qwen, deepseek };

/// Where the piece that begins at `begin` ends; `begin` lies inside the text. Bytes that are no
/// UTF-8 count as symbols. All pieces of a text take time linear in its length, whatever it holds.
std::size_t piece_end(split_pattern pattern, std::string_view text, std::size_t begin) noexcept;

} // namespace troupe::tokens
