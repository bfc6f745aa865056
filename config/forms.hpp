// The forms in which addresses and URLs are written in the configuration.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace troupe::config {

/// `address:port` to listen on.
struct endpoint {
  std::string host; // without brackets; `localhost` becomes 127.0.0.1
  std::uint16_t port = 0;
};

/// Reads `127.0.0.1:8080`, `[::1]:8080` or `localhost:8080`; port 0 means any free one.
std::optional<endpoint> parse_listen(std::string_view text);

/// `host:port`, with brackets around an IPv6 address.
std::string to_string(const endpoint& e);

/// True for 127.0.0.0/8, ::1 and its IPv4-mapped form, and the name localhost.
bool is_loopback(std::string_view host);

/// True for an IPv4 or IPv6 address in digits.
bool is_address(std::string_view text);

/// The parts of `scheme://[user[:password]@]host[:port][/path]`.
struct url_parts {
  std::string scheme;
  std::string user_info;  // as written, without the @
  std::string host;       // without brackets
  std::uint16_t port = 0; // 0: not given
  std::string path;       // with its slash, query and fragment
};

std::optional<url_parts> parse_url(std::string_view text);

/// True if `text` matches `pattern`, in which each * stands for any run of characters.
bool matches(std::string_view pattern, std::string_view text);

// What a key's value must look like: empty if it does, else what is expected.
std::string check_listen(std::string_view text);
std::string check_base_url(std::string_view text);
std::string check_proxy(std::string_view text);
std::string check_origin(std::string_view text);
std::string check_address(std::string_view text);
std::string check_name(std::string_view text);
std::string check_secret(std::string_view text);
/// What is done about something that was found: log, review, mask, replace or block.
std::string check_action(std::string_view text);

} // namespace troupe::config
