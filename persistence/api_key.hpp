// API keys: how their secrets are made and known again.
#pragma once

#include <string>
#include <string_view>

namespace troupe::persistence {

/// The SHA-256 of `secret`, 32 bytes. What is stored, and what `Authorize` asks for. A secret has
/// 256 random bits, so a fast hash without salt is as good as any.
std::string hash_api_key(std::string_view secret);

/// A new secret: `sk-troupe-` and 64 hex digits.
std::string new_api_key_secret();

/// The SHA-256 of `text` in lower-case hex.
std::string sha256_hex(std::string_view text);
std::string to_hex(std::string_view bytes);
/// The bytes that `hex` names; empty if it is not hex.
std::string from_hex(std::string_view hex);

} // namespace troupe::persistence
