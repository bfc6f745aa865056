#include "persistence/api_key.hpp"

#include "messages/id.hpp"

#include <openssl/sha.h>

namespace troupe::persistence {

std::string hash_api_key(std::string_view secret) {
  std::string out(SHA256_DIGEST_LENGTH, '\0');
  SHA256(reinterpret_cast<const unsigned char*>(secret.data()), secret.size(),
         reinterpret_cast<unsigned char*>(out.data()));
  return out;
}

std::string new_api_key_secret() { return "sk-troupe-" + random_hex(32); }

std::string to_hex(std::string_view bytes) {
  constexpr std::string_view digits = "0123456789abcdef";
  std::string out;
  out.reserve(bytes.size() * 2);
  for (unsigned char c : bytes) {
    out += digits[c >> 4];
    out += digits[c & 15];
  }
  return out;
}

std::string from_hex(std::string_view hex) {
  auto value = [](char c) {
    return c >= '0' && c <= '9' ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
  };
  std::string out;
  out.reserve(hex.size() / 2);
  for (std::size_t i = 0; i + 1 < hex.size(); i += 2) {
    auto high = value(hex[i]), low = value(hex[i + 1]);
    if (high < 0 || low < 0)
      return {};
    out += static_cast<char>(high * 16 + low);
  }
  return hex.size() % 2 == 0 ? out : std::string{};
}

std::string sha256_hex(std::string_view text) { return to_hex(hash_api_key(text)); }

} // namespace troupe::persistence
