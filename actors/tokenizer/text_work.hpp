// What is done with tokens and character sets, without actors.
#pragma once

#include "actors/tokenizer/encoding.hpp"
#include "messages/types.hpp"

#include <caf/expected.hpp>

#include <cstdint>

namespace troupe {

struct text_limits {
  std::int64_t tokens_bytes_max = 8 * 1'024 * 1'024;   // of a text whose tokens are asked for
  std::int64_t ids_max = 2'000'000;                    // of a text to decode
  std::int64_t messages_max = 10'000;                  // of a chat
  std::int64_t convert_bytes_max = 32 * 1'024 * 1'024; // of a text to convert
};

// Whether a request makes sense and is not too large: quick. The errors are `invalid_argument` and
// `too_large`, with what to do.
caf::error check(const v1::AnalyzeTokens& query, const text_limits& limits);
caf::error check(const v1::CountChatTokens& query, const text_limits& limits);
caf::error check(const v1::ConvertText& query, const text_limits& limits);
caf::error check(const v1::DetectText& query, const text_limits& limits);

// How much there is to do.
std::int64_t bytes_of(const v1::AnalyzeTokens& query);
std::int64_t bytes_of(const v1::CountChatTokens& query);
std::int64_t bytes_of(const v1::ConvertText& query);
std::int64_t bytes_of(const v1::DetectText& query);

// The work, of requests that `check` let pass. What it finds wrong in the texts themselves is
// `invalid_argument` or `too_large`. Throws std::runtime_error, saying what to do, if a file is
// missing.
caf::expected<v1::TokensAnalyzed> work(const v1::AnalyzeTokens& query, tokens::library& library,
                                       const text_limits& limits);
caf::expected<v1::ChatTokensCounted> work(const v1::CountChatTokens& query,
                                          tokens::library& library, const text_limits& limits);
caf::expected<v1::TextConverted> work(const v1::ConvertText& query, tokens::library& library,
                                      const text_limits& limits);
caf::expected<v1::TextDetected> work(const v1::DetectText& query, tokens::library& library,
                                     const text_limits& limits);
caf::expected<v1::VocabularyList> work(const v1::ListVocabularies& query, tokens::library& library,
                                       const text_limits& limits);

} // namespace troupe
