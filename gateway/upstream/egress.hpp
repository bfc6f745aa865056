// Which addresses a configurable URL may lead to. The one place that decides it.
#pragma once

#include "messages/error.hpp"

#include <boost/asio/ip/address.hpp>

#include <string>
#include <string_view>
#include <vector>

namespace troupe::gateway {

/// What kind of address it is; an IPv6 address that carries an IPv4 one (mapped, compatible,
/// NAT64, 6to4, Teredo) is what the carried one is, unless that is public.
enum class address_kind {
  global,       // on the Internet
  loopback,     // 127/8, ::1
  private_use,  // 10/8, 172.16/12, 192.168/16
  carrier,      // 100.64/10: carrier-grade NAT
  unique_local, // fc00::/7
  link_local,   // 169.254/16, fe80::/10
  metadata,     // where clouds tell machines their secrets
  multicast,
  unspecified, // 0/8, ::
  reserved,    // documentation, benchmarks, future use, broadcast, transition relays
};

address_kind classify(const boost::asio::ip::address& address);
std::string_view to_string(address_kind kind) noexcept;

/// True if a connection to it may be made. `allow_private` lets in loopback, private, carrier and
/// unique-local addresses; the others but global ones are never let in.
bool egress_allowed(const boost::asio::ip::address& address, bool allow_private);

/// A resolve result goes in, the addresses that may be connected to come out. The connection must
/// be made to one of them, without resolving again. `ec::forbidden` with a sentence that says what
/// to configure if there is none, or if `host` is an address in a spelling of its own (octal,
/// hexadecimal, a single number, fewer than four parts).
caf::error check_egress(std::string_view host,
                        const std::vector<boost::asio::ip::address>& resolved, bool allow_private,
                        std::vector<boost::asio::ip::address>& allowed);

/// True for a host that some resolvers would read as an IPv4 address although it is not in the
/// plain form of four decimal numbers, and for hosts with characters that no host name has.
bool is_odd_host(std::string_view host);

} // namespace troupe::gateway
