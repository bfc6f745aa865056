// Links in TLS: both sides show a certificate of the cluster's own authority.
#include "cluster/link/certificates.hpp"
#include "tests/support/link_node.hpp"
#include "tests/support/link_stranger.hpp"
#include "tests/support/process.hpp"
#include "tests/support/script_server.hpp"

#include <doctest/doctest.h>

#include <boost/asio/ssl/context.hpp>
#include <boost/asio/ssl/stream.hpp>
#include <openssl/ssl.h>

using namespace troupe;
using namespace troupe::test;
using namespace std::chrono_literals;

namespace {

namespace ssl = boost::asio::ssl;
using boost::asio::ip::tcp;

struct authority {
  temp_dir dir;
  authority() { REQUIRE(!link::make_authority({dir.path(), 30, true})); }
  link_tls of(const std::string& name) {
    auto stem = dir.path() + "/" + name;
    REQUIRE(!link::issue_certificate({dir.path(), name, {}, 10, true}));
    return {dir.path() + "/ca.crt", stem + ".crt", stem + ".key"};
  }
};

/// Whether somebody with these files, or without, gets a hello out of the node.
bool gets_hello(link_node& node, const link_tls& files, int version = TLS1_3_VERSION) {
  boost::asio::io_context io;
  ssl::context context{ssl::context::tls_client};
  context.set_verify_mode(ssl::verify_none);
  SSL_CTX_set_max_proto_version(context.native_handle(), version);
  if (!files.certificate.empty()) {
    context.use_certificate_chain_file(files.certificate);
    context.use_private_key_file(files.key, ssl::context::pem);
  }
  ssl::stream<tcp::socket> stream{io, context};
  stream.next_layer().connect({boost::asio::ip::address_v4::loopback(), node.port()});
  boost::system::error_code e;
  stream.handshake(ssl::stream_base::client, e);
  char byte = 0;
  return !e && stream.read_some(boost::asio::buffer(&byte, 1), e) == 1;
}

bool error_has(link_node& node, const std::string& peer, const std::string& text) {
  return eventually([&] {
    auto now = node.state(peer);
    return now && now->error().find(text) != std::string::npos;
  });
}

} // namespace

TEST_CASE("nodes with certificates of the same authority are linked") {
  authority ca;
  link_node a{"a", quick_links(), ca.of("a")};
  link_node b{"b", quick_links(), ca.of("b")};
  REQUIRE(join(a, b));
  auto got = a.ask(a.handle("b"), get_request(std::string(1'000'000, 'x')));
  REQUIRE(got);
  CHECK((*got)->conversation().id().size() == 1'000'000);
  CHECK(b.ask(b.handle("a"), get_request("one")));
}

TEST_CASE("nobody without a certificate of the cluster's authority is spoken to") {
  authority ca;
  authority foreign;
  link_node b{"b", quick_links(), ca.of("b")};
  CHECK(gets_hello(b, ca.of("a")));
  CHECK(!gets_hello(b, {}));
  CHECK(!gets_hello(b, foreign.of("a")));
  CHECK(!gets_hello(b, ca.of("a"), TLS1_2_VERSION));
  link_stranger plain{b.port()};
  plain.send(link_hello("a"));
  CHECK(plain.closed());
  CHECK(b.probe().strangers_refused == 4);
  CHECK(b.probe().frames_in == 0);
}

TEST_CASE("a node of another authority with the same name is no peer, whoever dials") {
  authority ca;
  authority foreign;
  link_node a{"a", quick_links(), ca.of("a")};
  link_node b{"b", quick_links(), foreign.of("b")};
  a.view({a.row(), b.row()});
  CHECK(error_has(a, "b", "not trusted"));
  CHECK(!a.handle("b"));
  CHECK(!b.handle("a"));
}

TEST_CASE("a certificate is good for its own name only") {
  authority ca;
  link_node a{"a", quick_links(), ca.of("a")};
  link_node b{"b", quick_links(), ca.of("other")};
  a.view({a.row(), b.row()});
  CHECK(error_has(a, "b", "not that of node b"));
  CHECK(!a.handle("b"));
  link_node c{"c", quick_links(), ca.of("c")};
  link_node pretender{"b", quick_links(), ca.of("a")};
  pretender.view({pretender.row(), c.row()});
  CHECK(error_has(pretender, "c", "not that of node b"));
  CHECK(c.probe().links_made == 0);
}

TEST_CASE("an end without TLS and one with it do not understand each other") {
  authority ca;
  link_node a{"a"};
  link_node b{"b", quick_links(), ca.of("b")};
  a.view({a.row(), b.row()});
  CHECK(eventually([&] { return a.state("b") && !a.state("b")->error().empty(); }));
  CHECK(a.probe().links_made == 0);
  CHECK(b.probe().links_made == 0);
}

TEST_CASE("files that do not fit together do not open a listener") {
  authority ca;
  auto mixed = ca.of("a");
  mixed.key = ca.of("b").key;
  auto opened = link_listener::open("127.0.0.1:0", mixed, {});
  REQUIRE(!opened);
  CHECK(info(opened.error()).code == ec::config_invalid);
  auto half = ca.of("a");
  half.certificate.clear();
  opened = link_listener::open("127.0.0.1:0", half, {});
  REQUIRE(!opened);
  CHECK(describe(opened.error()).find("cluster.certificate") != std::string::npos);
}
