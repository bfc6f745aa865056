// Where a configurable URL may lead to.
#include "gateway/upstream/egress.hpp"
#include "messages/types.hpp"

#include <doctest/doctest.h>

using namespace troupe;
using namespace troupe::gateway;
using boost::asio::ip::make_address;

namespace {

bool allowed(const std::string& address, bool allow_private = false) {
  return egress_allowed(make_address(address), allow_private);
}

} // namespace

TEST_CASE("public addresses are open, whatever is allowed") {
  for (std::string a : {"1.1.1.1", "8.8.8.8", "172.15.0.1", "172.32.0.1", "100.63.255.255",
                        "100.128.0.0", "192.167.1.1", "11.0.0.1", "223.255.255.255",
                        "2606:4700::1111", "2a00:1450::1", "::ffff:8.8.8.8", "64:ff9b::808:808"}) {
    CAPTURE(a);
    CHECK(allowed(a, false));
    CHECK(allowed(a, true));
  }
}

TEST_CASE("private addresses are open only where that is configured") {
  for (std::string a : {"127.0.0.1",
                        "127.255.255.254",
                        "10.0.0.1",
                        "172.16.0.1",
                        "172.31.255.255",
                        "192.168.1.1",
                        "100.64.0.1",
                        "100.127.255.255",
                        "::1",
                        "fc00::1",
                        "fdff::1",
                        "::ffff:127.0.0.1",
                        "::ffff:10.1.2.3",
                        "::127.0.0.1",
                        "64:ff9b::7f00:1",
                        "64:ff9b::a00:1",
                        "2002:7f00:1::",
                        "2002:c0a8:101::1",
                        "fec0::1",
                        "2001:0:4136:e378:8000:63bf:80ff:fffe"}) {
    CAPTURE(a);
    CHECK(!allowed(a, false));
    CHECK(allowed(a, true));
  }
}

TEST_CASE("metadata, link-local, multicast and reserved addresses are never open") {
  for (std::string a : {"169.254.169.254",
                        "169.254.170.2",
                        "169.254.1.1",
                        "100.100.100.200",
                        "192.0.0.192",
                        "168.63.129.16",
                        "fd00:ec2::254",
                        "fe80::1",
                        "febf::1",
                        "0.0.0.0",
                        "0.1.2.3",
                        "::",
                        "224.0.0.1",
                        "239.255.255.255",
                        "ff02::1",
                        "255.255.255.255",
                        "240.0.0.1",
                        "192.0.2.1",
                        "198.51.100.1",
                        "203.0.113.1",
                        "198.18.0.1",
                        "2001:db8::1",
                        "::ffff:169.254.169.254",
                        "64:ff9b::a9fe:a9fe",
                        "2002:a9fe:a9fe::",
                        "4000::1",
                        "2002:808:808::1"}) {
    CAPTURE(a);
    CHECK(!allowed(a, false));
    CHECK(!allowed(a, true));
  }
}

TEST_CASE("addresses in spellings of their own are refused") {
  for (std::string host :
       {"2130706433", "0x7f000001",   "0x7f.1",    "127.1",     "127.0.1", "0177.0.0.1",
        "127.0.0.01", "127.0.0.0x1",  "1.2.3.4.5", "256.1.1.1", "0",       "0x",
        "1.1.1.1 ",   "exa mple.com", "a..b",      ".a",        "",        "ho/st",
        "a@b",        "１２７.0.0.1", "[::1]",     "::g",       "fe80::1%"}) {
    CAPTURE(host);
    CHECK(is_odd_host(host));
  }
  for (auto host :
       {"127.0.0.1", "1.1.1.1", "example.com", "api.openai.com.", "localhost", "my_host",
        "xn--bcher-kva.example", "::1", "2001:db8::1", "1.2.3.4.example", "a1", "1a"}) {
    CAPTURE(host);
    CHECK(!is_odd_host(host));
  }
}

TEST_CASE("of a name's addresses only the allowed ones may be connected to") {
  std::vector<boost::asio::ip::address> open;
  auto err = check_egress("mixed.example", {make_address("10.0.0.1"), make_address("1.1.1.1")},
                          false, open);
  CHECK(!err);
  REQUIRE(open.size() == 1);
  CHECK(open[0].to_string() == "1.1.1.1");

  err = check_egress("inside.example", {make_address("10.0.0.1")}, false, open);
  CHECK(info(err).code == ec::forbidden);
  CHECK(describe(err).find("allow_private") != std::string::npos);
  CHECK(open.empty());

  err = check_egress("meta.example", {make_address("169.254.169.254")}, true, open);
  CHECK(info(err).code == ec::forbidden);
  CHECK(describe(err).find("allow_private") == std::string::npos);

  CHECK(info(check_egress("127.1", {make_address("127.0.0.1")}, true, open)).code == ec::forbidden);
  CHECK(info(check_egress("nowhere.example", {}, true, open)).code == ec::upstream_unavailable);
}
