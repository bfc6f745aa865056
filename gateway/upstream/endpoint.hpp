// Where an upstream is and how to get there: its URL, its proxy, its key.
#pragma once

#include "config/config.hpp"

#include <caf/expected.hpp>

#include <cstdint>
#include <string>
#include <string_view>

namespace troupe::gateway {

/// The parts of an absolute URL that a client needs.
struct url_parts {
  std::string scheme; // lower case
  std::string host;   // without brackets, percent-decoded
  std::uint16_t port = 0;
  std::string target; // path without its trailing slash; empty for /
  std::string query;  // as written, without ?
  std::string user;   // decoded
  std::string password;
};

/// `ec::config_invalid` for anything that is not scheme://host[:port][/path][?query]. The port
/// defaults to the scheme's. Error texts never hold the user information.
caf::expected<url_parts> parse_url(std::string_view text);

/// The value of a parameter of a query, percent-decoded; empty if it is not there.
std::string query_value(std::string_view query, std::string_view name);

/// `env:NAME` becomes the variable's value, `file:PATH` the file's first line, other text itself.
/// `ec::config_invalid` if there is no such variable or file, or the value cannot stand in an HTTP
/// header.
caf::expected<std::string> resolve_secret(std::string_view text);

enum class proxy_kind { none, http, socks5 };

/// An upstream section, made ready to dial.
struct endpoint {
  std::string host; // to resolve, and for SNI and verification
  std::uint16_t port = 0;
  bool tls = false;
  std::string host_header; // host[:port]
  std::string target;      // prefix of every path: /v1
  std::string api_key;     // secret
  proxy_kind proxy = proxy_kind::none;
  std::string proxy_host;
  std::uint16_t proxy_port = 0;
  std::string proxy_user; // secret
  std::string proxy_password;
};

/// `ec::config_invalid` with a sentence that names the key.
caf::expected<endpoint> make_endpoint(const config::upstream_section& section);

} // namespace troupe::gateway
