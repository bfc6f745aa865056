#include "gateway/upstream/endpoint.hpp"

#include "messages/error.hpp"

#include <boost/url/parse.hpp>
#include <boost/url/src.hpp>
#include <boost/url/url_view.hpp>

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <cstdlib>
#include <fstream>

namespace troupe::gateway {

namespace {

namespace urls = boost::urls;

std::uint16_t default_port(std::string_view scheme) {
  if (scheme == "https")
    return 443;
  if (scheme == "http")
    return 80;
  return scheme == "socks5" || scheme == "socks5h" ? 1080 : 0;
}

bool fits_header(std::string_view text) {
  return std::all_of(text.begin(), text.end(),
                     [](unsigned char c) { return c > 0x20 && c < 0x7f; });
}

caf::error set_proxy(const config::upstream_section& section, endpoint& ep) {
  if (section.proxy.empty())
    return {};
  auto url = parse_url(section.proxy);
  if (url && url->scheme == "http")
    ep.proxy = proxy_kind::http;
  else if (url && (url->scheme == "socks5" || url->scheme == "socks5h"))
    ep.proxy = proxy_kind::socks5;
  else
    return make_error(ec::config_invalid,
                      fmt::format("upstreams: {}: proxy must be http://host:port or "
                                  "socks5://host:port",
                                  section.name));
  ep.proxy_host = url->host;
  ep.proxy_port = url->port;
  ep.proxy_user = url->user;
  ep.proxy_password = url->password;
  return {};
}

} // namespace

caf::expected<url_parts> parse_url(std::string_view text) {
  auto parsed = urls::parse_uri(urls::string_view{text.data(), text.size()});
  if (!parsed || parsed->encoded_host().empty())
    return make_error(ec::config_invalid, "a URL must look like https://host[:port]/path");
  url_parts parts;
  parts.scheme = std::string{parsed->scheme()};
  std::transform(parts.scheme.begin(), parts.scheme.end(), parts.scheme.begin(),
                 [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
  parts.host = parsed->host_type() == urls::host_type::ipv6 ? std::string{parsed->host_address()}
                                                            : parsed->host();
  std::string_view port{parsed->port().data(), parsed->port().size()};
  if (port.empty()) {
    parts.port = default_port(parts.scheme);
  } else {
    auto [end, error] = std::from_chars(port.data(), port.data() + port.size(), parts.port);
    if (error != std::errc{} || end != port.data() + port.size() || parts.port == 0)
      return make_error(ec::config_invalid, "the port of a URL is 1 to 65535");
  }
  parts.target = std::string{parsed->encoded_path()};
  while (!parts.target.empty() && parts.target.back() == '/')
    parts.target.pop_back();
  parts.query = std::string{parsed->encoded_query()};
  parts.user = parsed->user();
  parts.password = parsed->password();
  return parts;
}

std::string query_value(std::string_view query, std::string_view name) {
  auto parsed = urls::parse_query(urls::string_view{query.data(), query.size()});
  if (!parsed)
    return {};
  for (auto param : *parsed)
    if (std::string_view{param.key.data(), param.key.size()} == name)
      return param.value.decode();
  return {};
}

caf::expected<std::string> resolve_secret(std::string_view text) {
  std::string value{text};
  if (text.substr(0, 4) == "env:") {
    std::string name{text.substr(4)};
    const char* found = std::getenv(name.c_str());
    if (found == nullptr || *found == '\0')
      return make_error(ec::config_invalid, fmt::format("the environment has no {}", name));
    value = found;
  } else if (text.substr(0, 5) == "file:") {
    std::string path{text.substr(5)};
    std::ifstream file{path};
    if (!file || !std::getline(file, value))
      return make_error(ec::config_invalid, fmt::format("cannot read a key from {}", path));
    while (!value.empty() && (value.back() == '\r' || value.back() == ' '))
      value.pop_back();
  }
  if (!fits_header(value))
    return make_error(ec::config_invalid, "the key holds spaces or characters that no key has");
  return value;
}

caf::expected<endpoint> make_endpoint(const config::upstream_section& section) {
  auto fail = [&](std::string_view text) {
    return make_error(ec::config_invalid, fmt::format("upstreams: {}: {}", section.name, text));
  };
  auto url = parse_url(section.base_url);
  if (!url)
    return fail("base_url: " + describe(url.error()));
  if (url->scheme != "http" && url->scheme != "https")
    return fail("base_url must begin with https:// or http://");
  if (!url->user.empty() || !url->password.empty())
    return fail("base_url must not hold a user or password; use api_key");
  auto key = resolve_secret(section.api_key);
  if (!key)
    return fail("api_key: " + describe(key.error()));
  endpoint ep;
  ep.host = url->host;
  ep.port = url->port;
  ep.tls = url->scheme == "https";
  ep.host_header = ep.host.find(':') != std::string::npos ? "[" + ep.host + "]" : ep.host;
  if (ep.port != default_port(url->scheme))
    ep.host_header += ":" + std::to_string(ep.port);
  if (!fits_header(ep.host_header) || !fits_header(url->target))
    return fail("base_url holds characters that no URL has");
  ep.target = url->target;
  ep.api_key = *key;
  if (auto err = set_proxy(section, ep))
    return err;
  return ep;
}

} // namespace troupe::gateway
