// Base64 of RFC 4648, by OpenSSL.
#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace troupe::gateway {

std::string to_base64(std::string_view bytes);

/// Nothing for text that is not canonical base64 with its padding.
std::optional<std::string> from_base64(std::string_view text);

} // namespace troupe::gateway
