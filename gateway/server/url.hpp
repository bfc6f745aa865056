// Percent-encoding, paths and queries. Pure.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace troupe::gateway {

/// Decodes %XX; nothing if an escape is broken.
std::optional<std::string> percent_decode(std::string_view text);

bool is_utf8(std::string_view text) noexcept;

/// Encodes all but unreserved characters.
std::string percent_encode(std::string_view text);

/// True for a path (as sent) whose segments decode to UTF-8 without control characters and of which
/// none is `.` or `..`.
bool is_clean_path(std::string_view path);

/// The fields of `a=1&b=2`, decoded, + as a space. A broken escape stays as it is; what is no UTF-8
/// is replaced by U+FFFD.
std::vector<std::pair<std::string, std::string>> parse_query(std::string_view query);

} // namespace troupe::gateway
