#include "gateway/ops/guard.hpp"

#include "config/forms.hpp"

#include <openssl/crypto.h>
#include <openssl/sha.h>

#include <algorithm>
#include <array>
#include <cctype>

namespace troupe::gateway::ops {

namespace {

constexpr std::string_view bearer = "bearer ";

std::array<unsigned char, SHA256_DIGEST_LENGTH> digest(std::string_view text) {
  std::array<unsigned char, SHA256_DIGEST_LENGTH> out{};
  SHA256(reinterpret_cast<const unsigned char*>(text.data()), text.size(), out.data());
  return out;
}

/// "127.0.0.1:9400" -> "127.0.0.1", "[::1]:9400" -> "::1".
std::string_view without_port(std::string_view host) {
  if (host.starts_with('[')) {
    auto close = host.find(']');
    return close == host.npos ? std::string_view{} : host.substr(1, close - 1);
  }
  return host.substr(0, host.find(':'));
}

} // namespace

guard::guard(std::string host, std::string token) :
    host_(std::move(host)), token_(std::move(token)), on_loopback_(config::is_loopback(host_)) {}

bool guard::is_own_host(std::string_view host) const {
  auto name = without_port(host);
  return config::is_loopback(name) || name == host_;
}

/// By digests, so that neither content nor length shows in the time it takes.
bool guard::has_token(std::string_view authorization) const {
  if (token_.empty() || authorization.size() < bearer.size())
    return false;
  auto is_bearer = std::equal(bearer.begin(), bearer.end(), authorization.begin(),
                              [](char a, unsigned char b) { return a == std::tolower(b); });
  auto given = digest(authorization.substr(bearer.size()));
  auto wanted = digest(token_);
  return is_bearer && CRYPTO_memcmp(given.data(), wanted.data(), wanted.size()) == 0;
}

verdict guard::check(const guard_input& request) const {
  if (!request.fields_are_single)
    return {400, "malformed_request", "Host, Origin or Authorization is sent twice"};
  if (on_loopback_ && !is_own_host(request.host))
    return {403, "forbidden",
            "the Host header does not name this machine; use 127.0.0.1 or localhost"};
  auto is_own_page =
      request.origin.empty() || request.origin == "http://" + std::string{request.host};
  auto is_foreign = request.fetch_site == "cross-site" || request.fetch_site == "same-site";
  if (!is_own_page || is_foreign)
    return {403, "forbidden", "web pages of other origins may not use the operators' port"};
  auto is_reading = request.method == "GET" || request.method == "HEAD";
  if ((on_loopback_ && is_reading) || has_token(request.authorization))
    return {};
  return {401, "unauthenticated",
          "send `Authorization: Bearer <token>` with ops.token, or the token file in the node's "
          "data folder"};
}

} // namespace troupe::gateway::ops
