// Base64 by OpenSSL.
#pragma once

#include <string>
#include <string_view>

namespace troupe::gateway {

std::string base64(std::string_view bytes);

} // namespace troupe::gateway
