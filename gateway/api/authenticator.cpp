#include "gateway/api/authenticator.hpp"

#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/sha.h>

#include <algorithm>
#include <functional>
#include <memory>
#include <stdexcept>
#include <vector>

namespace troupe::gateway {

namespace {

constexpr std::size_t key_bytes_max = 512;
constexpr std::size_t hashes_kept = 256; // of a thread

bool equal_ignoring_case(std::string_view a, std::string_view b) {
  auto lower = [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c; };
  return std::equal(a.begin(), a.end(), b.begin(), b.end(),
                    [&](char x, char y) { return lower(x) == lower(y); });
}

/// The host of `host`, `host:port` or `[v6]:port`.
std::string_view without_port(std::string_view host) {
  if (host.starts_with('[')) {
    auto end = host.find(']');
    return end == std::string_view::npos ? std::string_view{} : host.substr(1, end - 1);
  }
  return host.substr(0, host.rfind(':'));
}

bool is_loopback(std::string_view host) {
  if (host.starts_with("::ffff:"))
    host.remove_prefix(7);
  bool v4 = host.starts_with("127.") && std::all_of(host.begin(), host.end(), [](char c) {
              return c == '.' || (c >= '0' && c <= '9');
            });
  return v4 || host == "::1" || equal_ignoring_case(host, "localhost");
}

Principal anonymous() {
  v1::Principal who;
  who.set_id("anonymous");
  who.set_name("anonymous");
  who.add_scopes("openai");
  who.add_scopes("api");
  return Principal{std::move(who)};
}

Principal node_operator() {
  v1::Principal who;
  who.set_id("operator");
  who.set_name("operator");
  for (auto scope : operator_scopes)
    who.add_scopes(std::string{scope});
  return Principal{std::move(who)};
}

} // namespace

std::string_view bearer_of(std::string_view authorization) noexcept {
  constexpr std::string_view scheme = "bearer ";
  if (authorization.size() <= scheme.size()
      || !equal_ignoring_case(authorization.substr(0, scheme.size()), scheme))
    return {};
  auto key = authorization.substr(scheme.size());
  key.remove_prefix(std::min(key.find_first_not_of(' '), key.size()));
  return key.substr(0, key.find_last_not_of(' ') + 1);
}

std::string sha256(std::string_view bytes) {
  // Looking the algorithm up costs more than a short text's hash: once a process, and one context
  // a thread.
  static const EVP_MD* algorithm = EVP_MD_fetch(nullptr, "SHA256", nullptr);
  thread_local std::unique_ptr<EVP_MD_CTX, decltype(&EVP_MD_CTX_free)> context{EVP_MD_CTX_new(),
                                                                               &EVP_MD_CTX_free};
  std::string out(SHA256_DIGEST_LENGTH, '\0');
  if (context == nullptr || EVP_DigestInit_ex2(context.get(), algorithm, nullptr) != 1
      || EVP_DigestUpdate(context.get(), bytes.data(), bytes.size()) != 1
      || EVP_DigestFinal_ex(context.get(), reinterpret_cast<unsigned char*>(out.data()), nullptr)
             != 1)
    throw std::runtime_error("OpenSSL gives no SHA-256");
  return out;
}

/// Takes the same time wherever they differ.
bool equal_secrets(std::string_view a, std::string_view b) {
  return a.size() == b.size() && CRYPTO_memcmp(a.data(), b.data(), a.size()) == 0;
}

// A client sends the same key with each request: the thread remembers what it hashed last, each key
// in the place that a cheap hash gives it.
const std::string& hash_of_key(std::string_view key) {
  struct remembered {
    std::string key;
    std::string hash;
  };
  thread_local std::vector<remembered> places(hashes_kept);
  auto& place = places[std::hash<std::string_view>{}(key) % hashes_kept];
  if (place.hash.empty() || !equal_secrets(place.key, key))
    place = {std::string{key}, sha256(key)};
  return place.hash;
}

bool is_local_caller(std::string_view remote_address, std::string_view host,
                     std::string_view origin) noexcept {
  if (!is_loopback(remote_address) || !is_loopback(without_port(host)))
    return false;
  if (origin.empty())
    return true;
  auto scheme = origin.find("://");
  return scheme != std::string_view::npos && is_loopback(without_port(origin.substr(scheme + 3)));
}

authenticator::authenticator(authenticator_options options) :
    options_(std::move(options)),
    kept_(options_.fresh, kept_us),
    node_token_hash_(options_.node_token.empty() ? std::string{} : sha256(options_.node_token)) {
  options_.node_token.clear();
}

bool authenticator::is_node_token(const std::string& key_hash) const noexcept {
  return !node_token_hash_.empty()
         && CRYPTO_memcmp(node_token_hash_.data(), key_hash.data(), key_hash.size()) == 0;
}

const Principal* authenticator::recognise(exchange& x, std::string_view scope) const {
  auto key = bearer_of(x.header("authorization"));
  if (key.empty() || key.size() > key_bytes_max)
    return nullptr;
  const auto* who = kept_.find(x.shard(), hash_of_key(key), x.started_us());
  if (who == nullptr)
    return nullptr;
  const auto& scopes = (*who)->scopes();
  auto ends_us = (*who)->expires_us();
  if (std::find(scopes.begin(), scopes.end(), scope) == scopes.end()
      || (ends_us != 0 && ends_us <= x.started_us()))
    return nullptr;
  if (options_.probe != nullptr)
    options_.probe->principals.fetch_add(1, std::memory_order_relaxed);
  x.set_principal(*who);
  return who;
}

asio::awaitable<caf::expected<Principal>> authenticator::authorize(exchange& x,
                                                                   std::string scope) const {
  auto key = bearer_of(x.header("authorization"));
  if (key.empty() && !options_.keys_required && scope != "admin"
      && is_local_caller(x.remote_address(), x.header("host"), x.header("origin"))) {
    static const auto who = anonymous();
    x.set_principal(who);
    co_return who;
  }
  if (key.empty())
    co_return make_error(ec::unauthenticated,
                         "no API key: send the header Authorization: Bearer <key>; "
                         "`troupe key create` makes one");
  if (key.size() > key_bytes_max)
    co_return make_error(ec::unauthenticated, "the API key is not valid");
  auto hash = hash_of_key(key);
  if (is_node_token(hash)) {
    static const auto who = node_operator();
    x.set_principal(who);
    co_return who;
  }
  auto stamp = kept_.stamp();
  auto kept_as = hash;
  v1::Authorize question;
  *question.mutable_context() = x.context();
  question.set_key_hash(std::move(hash));
  question.set_scope(std::move(scope));
  Authorize message{std::move(question)};
  auto answer =
      co_await ask<Principal>(x.shard(), options_.keyring, options_.limit, std::move(message));
  if (!answer)
    co_return std::move(answer.error());
  kept_.keep(x.shard(), kept_as, *answer, stamp, x.started_us());
  x.set_principal(*answer);
  co_return answer;
}

} // namespace troupe::gateway
