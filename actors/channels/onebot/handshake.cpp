#include "actors/channels/onebot/handshake.hpp"

#include "actors/channels/onebot/protocol.hpp"

#include <openssl/crypto.h>
#include <openssl/sha.h>

#include <array>

namespace troupe::onebot11 {

namespace {

std::string lower(std::string_view text) {
  std::string out{text};
  for (auto& c : out)
    c = c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
  return out;
}

template <class Map>
std::string value_of(const Map& map, const char* name) {
  auto it = map.find(name);
  return it == map.end() ? std::string{} : it->second;
}

// Digests have one length: neither the length of the token nor where it differs shows.
bool same_secret(std::string_view x, std::string_view y) {
  std::array<unsigned char, SHA256_DIGEST_LENGTH> a{};
  std::array<unsigned char, SHA256_DIGEST_LENGTH> b{};
  SHA256(reinterpret_cast<const unsigned char*>(x.data()), x.size(), a.data());
  SHA256(reinterpret_cast<const unsigned char*>(y.data()), y.size(), b.data());
  return CRYPTO_memcmp(a.data(), b.data(), a.size()) == 0;
}

std::string token_of(const v1::SocketOpened& opened) {
  auto authorization = value_of(opened.headers(), "authorization");
  auto space = authorization.find(' ');
  auto scheme = lower(std::string_view{authorization}.substr(0, space));
  if (space != std::string::npos && (scheme == "bearer" || scheme == "token"))
    return authorization.substr(space + 1);
  return value_of(opened.query(), "access_token");
}

bool is_loopback(std::string_view address) {
  if (address.starts_with('['))
    address.remove_prefix(1);
  if (address.starts_with("::ffff:"))
    address.remove_prefix(7);
  return address.starts_with("127.") || address == "::1" || address.starts_with("::1]");
}

} // namespace

std::string_view to_string(socket_role role) noexcept {
  switch (role) {
    case socket_role::api:
      return "api";
    case socket_role::event:
      return "event";
    default:
      return "universal";
  }
}

std::variant<peer, refusal> read_handshake(const v1::SocketOpened& opened,
                                           std::string_view access_token) {
  if (access_token.empty()) {
    if (!is_loopback(opened.remote_address()))
      return refusal{ec::unauthenticated,
                     "this account has no access_token: only peers on this machine may connect"};
  } else if (!same_secret(token_of(opened), access_token)) {
    return refusal{ec::unauthenticated, "the access token is wrong or missing"};
  }
  peer result;
  result.self_id = value_of(opened.headers(), "x-self-id");
  if (result.self_id.empty() || result.self_id.size() > id_bytes_max)
    return refusal{ec::invalid_argument, "the header X-Self-ID is missing or too long"};
  auto role = lower(value_of(opened.headers(), "x-client-role"));
  if (role == "api")
    result.role = socket_role::api;
  else if (role == "event")
    result.role = socket_role::event;
  else if (!role.empty() && role != "universal")
    return refusal{ec::invalid_argument, "X-Client-Role must be API, Event or Universal"};
  return result;
}

} // namespace troupe::onebot11
