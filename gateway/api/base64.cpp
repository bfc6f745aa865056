#include "gateway/api/base64.hpp"

#include <openssl/evp.h>

#include <limits>

namespace troupe::gateway {

namespace {

constexpr std::size_t size_max = std::numeric_limits<int>::max() / 2;

const unsigned char* octets(std::string_view s) {
  return reinterpret_cast<const unsigned char*>(s.data());
}

} // namespace

std::string to_base64(std::string_view bytes) {
  std::string out(4 * ((bytes.size() + 2) / 3) + 1, '\0');
  auto size = EVP_EncodeBlock(reinterpret_cast<unsigned char*>(out.data()), octets(bytes),
                              static_cast<int>(bytes.size()));
  out.resize(static_cast<std::size_t>(size));
  return out;
}

std::optional<std::string> from_base64(std::string_view text) {
  if (text.size() % 4 != 0 || text.size() > size_max)
    return {};
  if (text.empty())
    return std::string{};
  std::string out(text.size() / 4 * 3, '\0');
  auto size = EVP_DecodeBlock(reinterpret_cast<unsigned char*>(out.data()), octets(text),
                              static_cast<int>(text.size()));
  if (size < 0)
    return {};
  auto padding = text.ends_with("==") ? 2U : text.ends_with("=") ? 1U : 0U;
  out.resize(static_cast<std::size_t>(size) - padding);
  // OpenSSL also takes white space and stray padding: only what it would write itself is good.
  if (to_base64(out) != text)
    return {};
  return out;
}

} // namespace troupe::gateway
