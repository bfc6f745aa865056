#include "config/forms.hpp"

#include <arpa/inet.h>
#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <vector>

namespace troupe::config {

namespace {

constexpr std::size_t name_max = 63;

bool is_ipv4(std::string_view text) {
  in_addr parsed{};
  return inet_pton(AF_INET, std::string{text}.c_str(), &parsed) == 1;
}

std::optional<in6_addr> parse_ipv6(std::string_view text) {
  in6_addr parsed{};
  if (inet_pton(AF_INET6, std::string{text}.c_str(), &parsed) != 1)
    return std::nullopt;
  return parsed;
}

std::optional<std::uint16_t> parse_port(std::string_view text) {
  std::uint16_t port = 0;
  auto end = text.data() + text.size();
  auto [stop, failed] = std::from_chars(text.data(), end, port);
  if (failed != std::errc{} || stop != end)
    return std::nullopt;
  return port;
}

bool is_host_name(std::string_view text) {
  return !text.empty() && text.size() <= 253 && std::all_of(text.begin(), text.end(), [](char c) {
    return std::isalnum(static_cast<unsigned char>(c)) != 0 || c == '-' || c == '.' || c == '_';
  });
}

struct host_port {
  std::string host;
  bool bracketed = false;
  std::optional<std::string_view> port;
};

std::optional<host_port> split_host_port(std::string_view text) {
  host_port result;
  std::string_view rest;
  if (text.starts_with('[')) {
    auto close = text.find(']');
    if (close == std::string_view::npos)
      return std::nullopt;
    result.host = text.substr(1, close - 1);
    result.bracketed = true;
    rest = text.substr(close + 1);
  } else {
    auto colon = std::min(text.find(':'), text.size());
    result.host = text.substr(0, colon);
    rest = text.substr(colon);
  }
  if (rest.starts_with(':'))
    result.port = rest.substr(1);
  else if (!rest.empty())
    return std::nullopt;
  return result;
}

bool has_control_or_space(std::string_view text) {
  return std::any_of(text.begin(), text.end(),
                     [](unsigned char c) { return c <= ' ' || c == 0x7f; });
}

} // namespace

std::optional<endpoint> parse_listen(std::string_view text) {
  auto parts = split_host_port(text);
  if (!parts || !parts->port)
    return std::nullopt;
  auto port = parse_port(*parts->port);
  auto host_is_good = parts->bracketed ? parse_ipv6(parts->host).has_value()
                                       : is_ipv4(parts->host) || parts->host == "localhost";
  if (!port || !host_is_good)
    return std::nullopt;
  return endpoint{parts->host == "localhost" ? "127.0.0.1" : parts->host, *port};
}

std::string to_string(const endpoint& e) {
  return e.host.find(':') == std::string::npos ? fmt::format("{}:{}", e.host, e.port)
                                               : fmt::format("[{}]:{}", e.host, e.port);
}

bool is_loopback(std::string_view host) {
  if (host == "localhost")
    return true;
  if (is_ipv4(host))
    return host.starts_with("127.");
  if (auto v6 = parse_ipv6(host)) {
    constexpr std::array<std::uint8_t, 13> mapped{0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, 127};
    return IN6_IS_ADDR_LOOPBACK(&*v6)
           || std::equal(mapped.begin(), mapped.end(), std::begin(v6->s6_addr));
  }
  return false;
}

bool is_address(std::string_view text) { return is_ipv4(text) || parse_ipv6(text).has_value(); }

std::optional<url_parts> parse_url(std::string_view text) {
  auto colon = text.find("://");
  if (colon == std::string_view::npos || colon == 0 || has_control_or_space(text))
    return std::nullopt;
  url_parts result;
  result.scheme = text.substr(0, colon);
  auto rest = text.substr(colon + 3);
  auto slash = std::min(rest.find_first_of("/?#"), rest.size());
  auto authority = rest.substr(0, slash);
  result.path = rest.substr(slash);
  if (auto at = authority.rfind('@'); at != std::string_view::npos) {
    result.user_info = authority.substr(0, at);
    authority.remove_prefix(at + 1);
  }
  auto parts = split_host_port(authority);
  if (!parts)
    return std::nullopt;
  if (parts->bracketed ? !parse_ipv6(parts->host) : !is_host_name(parts->host))
    return std::nullopt;
  result.host = parts->host;
  if (parts->port) {
    auto port = parse_port(*parts->port);
    if (!port || *port == 0)
      return std::nullopt;
    result.port = *port;
  }
  return result;
}

bool matches(std::string_view pattern, std::string_view text) {
  // Greedy with one point of return: linear in space, at worst quadratic in time.
  std::size_t p = 0;
  std::size_t t = 0;
  auto star = std::string_view::npos;
  std::size_t resume = 0;
  while (t < text.size()) {
    if (p < pattern.size() && pattern[p] == '*') {
      star = p++;
      resume = t;
    } else if (p < pattern.size() && pattern[p] == text[t]) {
      ++p;
      ++t;
    } else if (star != std::string_view::npos) {
      p = star + 1;
      t = ++resume;
    } else {
      return false;
    }
  }
  return pattern.find_first_not_of('*', p) == std::string_view::npos;
}

std::string check_listen(std::string_view text) {
  if (parse_listen(text))
    return {};
  return "expects an address and a port, such as 127.0.0.1:8080, 0.0.0.0:8080 or [::]:8080";
}

std::string check_base_url(std::string_view text) {
  if (text.empty() || text.starts_with("demo://?"))
    return {};
  auto url = parse_url(text);
  if (!url || (url->scheme != "http" && url->scheme != "https"))
    return "expects a URL such as https://api.openai.com/v1";
  if (!url->user_info.empty())
    return "must not carry a user or password; write the key into api_key";
  if (url->path.find_first_of("?#") != std::string::npos)
    return "must not carry a query or fragment";
  return {};
}

std::string check_proxy(std::string_view text) {
  if (text.empty())
    return {};
  auto url = parse_url(text);
  auto path_is_empty = url && (url->path.empty() || url->path == "/");
  if (!url || (url->scheme != "http" && url->scheme != "socks5") || url->port == 0
      || !path_is_empty)
    return "expects http://host:port or socks5://host:port";
  return {};
}

std::string check_origin(std::string_view text) {
  if (text == "*")
    return {};
  auto url = parse_url(text);
  if (!url || (url->scheme != "http" && url->scheme != "https") || !url->path.empty()
      || !url->user_info.empty())
    return "expects an origin such as https://chat.example.com (no slash at its end), or *";
  return {};
}

std::string check_address(std::string_view text) {
  return is_address(text) ? "" : "expects an address such as 10.0.0.5 or ::1";
}

std::string check_name(std::string_view text) {
  auto good = !text.empty() && text.size() <= name_max
              && std::all_of(text.begin(), text.end(), [](unsigned char c) {
                   return std::isalnum(c) != 0 || c == '-' || c == '_' || c == '.';
                 });
  if (good)
    return {};
  return fmt::format("expects 1 to {} letters, digits, -, _ or .", name_max);
}

std::string check_secret(std::string_view text) {
  return has_control_or_space(text) ? "must not contain spaces or control characters" : "";
}

} // namespace troupe::config
