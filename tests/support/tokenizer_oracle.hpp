// The models' own tokenizers (tests/oracle/), and texts to compare ours with them.
#pragma once

#include "actors/tokenizer/encoding.hpp"

#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <random>
#include <span>
#include <string>
#include <vector>

namespace troupe::test {

using oracle_texts = std::vector<std::string>;

/// Vocabularies that come as tokenizer.json. All others are tiktoken's.
inline constexpr std::string_view json_vocabularies[] = {"qwen3", "deepseek_v3"};

/// The tokenizer.json of one of them. Throws if it is not installed.
std::filesystem::path tokenizer_json_of(std::string_view name);

/// The ids that the model's own tokenizer gives each text. Throws if it is not installed or fails.
std::vector<std::vector<tokens::token_id>> ask_oracle(const std::string& vocabulary,
                                                      std::span<const std::string> texts,
                                                      tokens::specials mode);

/// Ours. A vocabulary of tokenizer.json is read from where the oracle has it.
std::shared_ptr<const tokens::encoding> encoding_of(const std::string& vocabulary);

/// Compares ids with the oracle's; and holds that decoding gives the text back (or its NFC), that
/// counts agree, and that the tokens' places follow each other. The first text where something
/// differs, and what; nothing if all is well.
std::optional<std::string> difference(const std::string& vocabulary,
                                      std::span<const std::string> texts,
                                      tokens::specials mode = tokens::specials::as_text);

/// Strings that mix what the split patterns tell apart, and now and then anything at all.
class random_texts {
public:
  /// With `assigned_only`, of characters that ICU knows: the oracles of tokenizer.json have the
  /// Unicode of their JavaScript engine.
  random_texts(std::uint64_t seed, bool assigned_only) :
      random_(seed), assigned_only_(assigned_only) {}

  std::string next();

private:
  std::uint32_t below(std::uint32_t n) { return static_cast<std::uint32_t>(random_() % n); }
  std::uint32_t code_point_in(std::uint32_t first, std::uint32_t last) {
    return first + below(last - first + 1);
  }
  void append_some(std::string& text);

  std::mt19937_64 random_;
  bool assigned_only_;
};

/// Sentences in many languages, what stands at the patterns' borders, and some of the repository.
oracle_texts natural_texts();

/// A text a character, between letters, digits, symbols and spaces; of the large blocks in which
/// all are alike (ideographs, syllables, private use) one in `step`.
oracle_texts each_character(bool assigned_only, std::uint32_t step = 1);

/// What looks like special tokens, and is some in one vocabulary or another.
oracle_texts texts_with_specials();

/// Repeats of letters, spaces, symbols and more, of about 30, 257 and `bytes_max` bytes.
oracle_texts long_repeats(std::size_t bytes_max);

/// Not of a surrogate.
void append_utf8(std::string& text, std::uint32_t code_point);

bool is_surrogate(std::uint32_t code_point);

/// Whether ICU's Unicode has a character there.
bool is_assigned(std::uint32_t code_point);

} // namespace troupe::test
