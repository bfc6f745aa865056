#include "gateway/upstream/egress.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cstdint>

namespace troupe::gateway {

namespace {

using boost::asio::ip::address;
using boost::asio::ip::address_v4;
using boost::asio::ip::address_v6;

struct range_v4 {
  std::uint32_t network;
  int bits;
  address_kind kind;
};

constexpr std::uint32_t v4(std::uint32_t a, std::uint32_t b, std::uint32_t c, std::uint32_t d) {
  return a << 24 | b << 16 | c << 8 | d;
}

// The first that matches decides.
constexpr std::array<range_v4, 22> ranges_v4{{
    {v4(169, 254, 169, 254), 32, address_kind::metadata}, // most clouds
    {v4(169, 254, 170, 2), 32, address_kind::metadata},   // container credentials
    {v4(100, 100, 100, 200), 32, address_kind::metadata}, // Alibaba Cloud
    {v4(192, 0, 0, 192), 32, address_kind::metadata},     // Oracle Cloud
    {v4(168, 63, 129, 16), 32, address_kind::metadata},   // Azure's wire server
    {v4(0, 0, 0, 0), 8, address_kind::unspecified},
    {v4(127, 0, 0, 0), 8, address_kind::loopback},
    {v4(10, 0, 0, 0), 8, address_kind::private_use},
    {v4(172, 16, 0, 0), 12, address_kind::private_use},
    {v4(192, 168, 0, 0), 16, address_kind::private_use},
    {v4(100, 64, 0, 0), 10, address_kind::carrier},
    {v4(169, 254, 0, 0), 16, address_kind::link_local},
    {v4(224, 0, 0, 0), 4, address_kind::multicast},
    {v4(192, 0, 0, 0), 24, address_kind::reserved},
    {v4(192, 0, 2, 0), 24, address_kind::reserved},
    {v4(198, 51, 100, 0), 24, address_kind::reserved},
    {v4(203, 0, 113, 0), 24, address_kind::reserved},
    {v4(192, 88, 99, 0), 24, address_kind::reserved},
    {v4(192, 31, 196, 0), 24, address_kind::reserved},
    {v4(192, 52, 193, 0), 24, address_kind::reserved},
    {v4(198, 18, 0, 0), 15, address_kind::reserved},
    {v4(240, 0, 0, 0), 4, address_kind::reserved},
}};

address_kind classify_v4(std::uint32_t value) {
  for (const auto& range : ranges_v4)
    if (((value ^ range.network) >> (32 - range.bits)) == 0)
      return range.kind;
  return address_kind::global;
}

using bytes_v6 = address_v6::bytes_type;

bool has_prefix(const bytes_v6& bytes, std::initializer_list<unsigned char> prefix) {
  return std::equal(prefix.begin(), prefix.end(), bytes.begin());
}

std::uint32_t v4_at(const bytes_v6& b, std::size_t i) {
  return v4(b[i], b[i + 1], b[i + 2], b[i + 3]);
}

/// Relays into IPv4: never the way to a public upstream, so they are at best reserved.
address_kind carried(std::uint32_t value) {
  auto kind = classify_v4(value);
  return kind == address_kind::global ? address_kind::reserved : kind;
}

address_kind classify_v6(const address_v6& a) {
  auto b = a.to_bytes();
  if (a.is_unspecified())
    return address_kind::unspecified;
  if (a.is_loopback())
    return address_kind::loopback;
  if (a.is_v4_mapped())
    return classify_v4(v4_at(b, 12));
  if (has_prefix(b, {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0})) // v4-compatible
    return carried(v4_at(b, 12));
  if (has_prefix(b, {0x00, 0x64, 0xff, 0x9b, 0, 0, 0, 0, 0, 0, 0, 0})) // NAT64: the way out of
    return classify_v4(v4_at(b, 12));                                  // IPv6-only networks
  if (has_prefix(b, {0x00, 0x64, 0xff, 0x9b}))
    return address_kind::private_use;
  if (has_prefix(b, {0x20, 0x02})) // 6to4
    return carried(v4_at(b, 2));
  if (has_prefix(b, {0x20, 0x01, 0x00, 0x00})) // Teredo: the address is stored inverted
    return carried(~v4_at(b, 12));
  if (has_prefix(b, {0xfd, 0x00, 0x0e, 0xc2, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x02, 0x54}))
    return address_kind::metadata; // AWS
  if ((b[0] & 0xfe) == 0xfc)
    return address_kind::unique_local;
  if (b[0] == 0xfe && (b[1] & 0xc0) == 0x80)
    return address_kind::link_local;
  if (b[0] == 0xfe && (b[1] & 0xc0) == 0xc0) // site-local, deprecated
    return address_kind::private_use;
  if (b[0] == 0xff)
    return address_kind::multicast;
  if (has_prefix(b, {0x20, 0x01, 0x0d, 0xb8}) || has_prefix(b, {0x20, 0x01, 0x00, 0x02})
      || (b[0] & 0xe0) != 0x20) // only 2000::/3 is given out
    return address_kind::reserved;
  return address_kind::global;
}

bool is_number(std::string_view label) {
  if (label.size() >= 2 && label[0] == '0' && (label[1] == 'x' || label[1] == 'X'))
    return std::all_of(label.begin() + 2, label.end(),
                       [](unsigned char c) { return std::isxdigit(c) != 0; });
  return !label.empty()
         && std::all_of(label.begin(), label.end(), [](char c) { return c >= '0' && c <= '9'; });
}

} // namespace

address_kind classify(const address& a) {
  return a.is_v4() ? classify_v4(a.to_v4().to_uint()) : classify_v6(a.to_v6());
}

std::string_view to_string(address_kind kind) noexcept {
  switch (kind) {
    case address_kind::global:
      return "global";
    case address_kind::loopback:
      return "loopback";
    case address_kind::private_use:
      return "private";
    case address_kind::carrier:
      return "carrier-grade NAT";
    case address_kind::unique_local:
      return "unique-local";
    case address_kind::link_local:
      return "link-local";
    case address_kind::metadata:
      return "cloud metadata";
    case address_kind::multicast:
      return "multicast";
    case address_kind::unspecified:
      return "unspecified";
    case address_kind::reserved:
      return "reserved";
  }
  return "unknown";
}

bool egress_allowed(const address& a, bool allow_private) {
  switch (classify(a)) {
    case address_kind::global:
      return true;
    case address_kind::loopback:
    case address_kind::private_use:
    case address_kind::carrier:
    case address_kind::unique_local:
      return allow_private;
    default:
      return false;
  }
}

caf::error check_egress(std::string_view host, const std::vector<address>& resolved,
                        bool allow_private, std::vector<address>& allowed) {
  allowed.clear();
  if (is_odd_host(host))
    return make_error(ec::forbidden, fmt::format("\"{}\" is not a host name or an address in its "
                                                 "usual form; write it plainly",
                                                 host));
  for (const auto& a : resolved)
    if (egress_allowed(a, allow_private))
      allowed.push_back(a);
  if (!allowed.empty())
    return {};
  if (resolved.empty())
    return make_error(ec::upstream_unavailable, fmt::format("{} has no address", host));
  auto kind = classify(resolved.front());
  auto text = fmt::format("{} leads to {}, a {} address, where Troupe does not connect to", host,
                          resolved.front().to_string(), to_string(kind));
  if (!allow_private && std::any_of(resolved.begin(), resolved.end(), [](const auto& a) {
        return egress_allowed(a, true);
      }))
    text += "; set allow_private: true for it if that is meant";
  return make_error(ec::forbidden, text);
}

bool is_odd_host(std::string_view host) {
  if (host.empty() || host.size() > 253)
    return true;
  if (host.find(':') != std::string_view::npos) { // IPv6, without brackets
    boost::system::error_code ec;
    boost::asio::ip::make_address_v6(std::string{host}, ec);
    return ec || host.find('%') != std::string_view::npos;
  }
  for (unsigned char c : host)
    if (std::isalnum(c) == 0 && c != '.' && c != '-' && c != '_')
      return true;
  if (host.back() == '.')
    host.remove_suffix(1);
  auto dot = host.rfind('.');
  if (!is_number(dot == std::string_view::npos ? host : host.substr(dot + 1)))
    return host.empty() || host.find("..") != std::string_view::npos || host.front() == '.';
  // By the rules of URLs this is an IPv4 address: only the plain spelling of it will do.
  boost::system::error_code ec;
  auto a = boost::asio::ip::make_address_v4(std::string{host}, ec);
  return ec || a.to_string() != host;
}

} // namespace troupe::gateway
