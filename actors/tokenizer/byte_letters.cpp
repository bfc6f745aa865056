#include "actors/tokenizer/byte_letters.hpp"

#include <array>
#include <cstdint>

namespace troupe::tokens {

namespace {

constexpr std::size_t letters_end = 0x100 + 68; // 68 bytes are not visible

constexpr bool is_visible(int byte) {
  return (byte >= 0x21 && byte <= 0x7e) || (byte >= 0xa1 && byte != 0xad);
}

/// The byte of each letter, or -1.
constexpr auto byte_of = [] {
  std::array<std::int16_t, letters_end> bytes{};
  bytes.fill(-1);
  std::size_t next = 0x100;
  for (int byte = 0; byte < 256; ++byte)
    bytes[is_visible(byte) ? static_cast<std::size_t>(byte) : next++] =
        static_cast<std::int16_t>(byte);
  return bytes;
}();

} // namespace

std::optional<std::string> bytes_of_letters(std::string_view letters) {
  std::string bytes;
  for (std::size_t i = 0; i < letters.size(); ++i) {
    auto code_point = static_cast<std::size_t>(static_cast<unsigned char>(letters[i]));
    if (code_point >= 0x80) {
      if (code_point < 0xc2 || code_point > 0xdf || i + 1 == letters.size())
        return std::nullopt;
      code_point = (code_point & 0x1f) << 6 | (static_cast<unsigned char>(letters[++i]) & 0x3f);
    }
    if (code_point >= byte_of.size() || byte_of[code_point] < 0)
      return std::nullopt;
    bytes += static_cast<char>(byte_of[code_point]);
  }
  return bytes;
}

} // namespace troupe::tokens
