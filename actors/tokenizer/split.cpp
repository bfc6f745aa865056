#include "actors/tokenizer/split.hpp"

#include "actors/tokenizer/split_machine.hpp"

namespace troupe::tokens {

std::size_t piece_end(split_pattern pattern, std::string_view text, std::size_t begin) noexcept {
  splitter split{text};
  switch (pattern) {
    case split_pattern::gpt2:
      return split.gpt2(begin);
    case split_pattern::cl100k:
      return split.cl100k(begin);
    case split_pattern::o200k:
      return split.o200k(begin);
    case split_pattern::qwen:
      return split.qwen(begin);
    case split_pattern::deepseek:
      return split.deepseek(begin);
  }
  return text.size();
}

std::size_t first_invalid_utf8(std::string_view text) noexcept {
  std::size_t i = 0;
  while (i < text.size()) {
    auto c = character_at(text, i);
    if (c.bytes == 1 && static_cast<unsigned char>(text[i]) >= 0x80)
      return i;
    i += c.bytes;
  }
  return i;
}

} // namespace troupe::tokens
