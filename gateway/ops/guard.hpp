// Who may ask what on the operators' port.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace troupe::gateway::ops {

struct guard_input {
  std::string_view method;
  std::string_view host;          // header; empty: not sent
  std::string_view origin;        // header
  std::string_view fetch_site;    // header Sec-Fetch-Site
  std::string_view authorization; // header
  bool fields_are_single = true;  // each of them was sent at most once
};

struct verdict {
  int status = 0; // 0: may pass
  std::string_view code;
  std::string message;
};

/// On loopback, GET and HEAD are open to this machine's programs; but not to web pages: Host must
/// name this machine (DNS rebinding), and requests of foreign pages are refused. All else, and
/// everything beyond loopback, needs the token.
class guard {
public:
  /// `host` is the address that is listened on.
  guard(std::string host, std::string token);

  verdict check(const guard_input& request) const;

private:
  bool is_own_host(std::string_view host) const;
  bool has_token(std::string_view authorization) const;

  std::string host_;
  std::string token_;
  bool on_loopback_;
};

} // namespace troupe::gateway::ops
