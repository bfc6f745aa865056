#include "actors/session/ids.hpp"

#include "messages/id.hpp"

#include <openssl/evp.h>

#include <algorithm>
#include <array>
#include <stdexcept>

namespace troupe {

namespace {

using digest = std::array<unsigned char, EVP_MAX_MD_SIZE>;

// RFC 9562's namespace bytes: a random UUID, Troupe's own for ever.
constexpr std::string_view key_namespace{"\x5b\x0e\x9a\x3c\x71\xd4\x4f\x28"
                                         "\x9d\x66\x1a\xe2\x0c\x87\xb5\x43",
                                         16};

digest hash(const EVP_MD* method, std::string_view text) {
  digest out{};
  unsigned int size = 0;
  if (EVP_Digest(text.data(), text.size(), out.data(), &size, method, nullptr) != 1)
    throw std::runtime_error("OpenSSL cannot hash");
  return out;
}

std::string uuid_text(const unsigned char* bytes) {
  constexpr std::string_view digits = "0123456789abcdef";
  std::string out;
  out.reserve(36);
  for (int i = 0; i < 16; ++i) {
    if (i == 4 || i == 6 || i == 8 || i == 10)
      out += '-';
    out += digits[bytes[i] >> 4];
    out += digits[bytes[i] & 0xf];
  }
  return out;
}

} // namespace

std::string conversation_id_of(std::string_view session_key) {
  auto bytes = hash(EVP_sha1(), std::string{key_namespace} + std::string{session_key});
  bytes[6] = static_cast<unsigned char>((bytes[6] & 0x0f) | 0x50);
  bytes[8] = static_cast<unsigned char>((bytes[8] & 0x3f) | 0x80);
  return uuid_text(bytes.data());
}

std::string derived_id(std::string_view id, std::uint32_t number) {
  if (!is_id(id))
    return std::string{id} + "-" + std::to_string(number);
  // The first half (time, version, sequence) stays, with a later sequence; the second is hashed.
  auto sequence =
      static_cast<std::uint32_t>(std::stoul(std::string{id.substr(15, 3)}, nullptr, 16));
  sequence = std::min<std::uint32_t>(sequence + 1 + number, 0xfff);
  auto bytes = hash(EVP_sha256(), std::string{id} + "/" + std::to_string(number));
  bytes[8] = static_cast<unsigned char>((bytes[8] & 0x3f) | 0x80);
  auto out = uuid_text(bytes.data());
  constexpr std::string_view digits = "0123456789abcdef";
  out.replace(0, 15, id.substr(0, 15));
  for (std::size_t i = 0; i < 3; ++i)
    out[15 + i] = digits[(sequence >> (8 - 4 * i)) & 0xf];
  return out;
}

} // namespace troupe
