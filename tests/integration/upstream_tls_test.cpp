// TLS and proxies on the way to upstreams.
#include "tests/support/process.hpp"
#include "tests/support/upstream_fixture.hpp"

#include <doctest/doctest.h>

using namespace troupe;
using namespace troupe::gateway;
using namespace troupe::test;
using namespace std::chrono_literals;

namespace {

const auto to_main = route_to({{"main", "m"}});

/// A TLS upstream called `api.example` that answers, and a resolver that finds it.
struct tls_fixture : upstream_fixture {
  temp_dir dir;
  test_certificates files = make_certificates(dir.path(), "api.example");
  std::unique_ptr<asio::ssl::context> tls = server_tls(files);
  std::mutex mutex;
  std::string server_name;
  script_server server{[this](peer& one) {
                         while (!one.read_request().empty()) {
                           {
                             std::lock_guard guard{mutex};
                             server_name = one.server_name();
                           }
                           one.answer(200, "{\"ok\":true}");
                         }
                       },
                       tls.get()};
  std::shared_ptr<resolver> dns =
      std::make_shared<resolver>(resolver_options{}, [](const std::string&) {
        return caf::expected<address_list>{address_list{asio::ip::make_address("127.0.0.1")}};
      });

  config::upstream_section tls_section(const std::string& host = "api.example") {
    auto s = section("main", "https://" + host + ":" + std::to_string(server.port()) + "/v1");
    s.tls_ca = files.ca_file;
    return s;
  }
};

} // namespace

TEST_CASE_FIXTURE(tls_fixture, "an upstream with a trusted certificate is spoken to by TLS") {
  serve({tls_section()}, dns);
  for (int i = 0; i < 3; ++i) {
    auto r = call(to_main);
    CHECK(r.text == "");
    CHECK(r.body == "{\"ok\":true}");
  }
  CHECK(server.accepted() == 1);
  std::lock_guard guard{mutex};
  CHECK(server_name == "api.example");
}

TEST_CASE_FIXTURE(tls_fixture, "a certificate for another name, or of a stranger, is refused") {
  auto stranger = tls_section();
  stranger.name = "stranger";
  stranger.tls_ca.clear();
  auto other = tls_section("other.example");
  other.name = "other";
  auto careless = tls_section("other.example");
  careless.name = "careless";
  careless.tls_verify = false;
  auto broken = tls_section();
  broken.name = "broken";
  broken.tls_ca = dir.path() + "/no-such-file";
  serve({stranger, other, careless, broken}, dns);
  auto r = call(route_to({{"stranger", "m"}}));
  CHECK(r.error == ec::upstream_unavailable);
  CHECK(r.text.find("not trusted") != std::string::npos);
  r = call(route_to({{"other", "m"}}));
  CHECK(r.error == ec::upstream_unavailable);
  CHECK(call(route_to({{"careless", "m"}})).status == 200);
  r = call(route_to({{"broken", "m"}}));
  CHECK(r.text.find("tls_ca") != std::string::npos);
}

TEST_CASE_FIXTURE(tls_fixture, "a large body passes through TLS") {
  serve({tls_section()}, dns);
  auto r = call(to_main, std::string(3'000'000, 'x'));
  CHECK(r.text == "");
  CHECK(r.status == 200);
}

TEST_CASE_FIXTURE(tls_fixture, "an HTTP proxy is passed by CONNECT, TLS inside") {
  proxy_log seen;
  script_server proxy{http_proxy(seen, "Basic dXNlcjpwdyM=")};
  auto s = tls_section();
  s.proxy = "http://user:pw%23@127.0.0.1:" + std::to_string(proxy.port());
  auto wrong = s;
  wrong.name = "wrong";
  wrong.proxy = "http://user:other@127.0.0.1:" + std::to_string(proxy.port());
  serve({s, wrong}, dns);
  auto r = call(to_main);
  CHECK(r.text == "");
  CHECK(r.body == "{\"ok\":true}");
  CHECK(call(to_main).status == 200);
  CHECK(seen.snapshot()
        == std::vector<std::string>{"api.example:" + std::to_string(server.port())});
  r = call(route_to({{"wrong", "m"}}));
  CHECK(r.error == ec::upstream_unavailable);
  CHECK(r.text.find("407") != std::string::npos);
  CHECK(r.text.find("other") == std::string::npos);
}

TEST_CASE_FIXTURE(tls_fixture, "a SOCKS5 proxy looks the name up, with and without a login") {
  proxy_log seen;
  script_server open{socks5_proxy(seen)};
  script_server locked{socks5_proxy(seen, "user", "pw")};
  auto s = tls_section();
  s.proxy = "socks5://127.0.0.1:" + std::to_string(open.port());
  auto login = s;
  login.name = "login";
  login.proxy = "socks5://user:pw@127.0.0.1:" + std::to_string(locked.port());
  auto wrong = s;
  wrong.name = "wrong";
  wrong.proxy = "socks5://user:no@127.0.0.1:" + std::to_string(locked.port());
  auto anonymous = s;
  anonymous.name = "anonymous";
  anonymous.proxy = "socks5://127.0.0.1:" + std::to_string(locked.port());
  auto refused = section("refused", "http://refused.example");
  refused.proxy = s.proxy;
  serve({s, login, wrong, anonymous, refused}, dns);
  auto r = call(to_main);
  CHECK(r.text == "");
  CHECK(r.body == "{\"ok\":true}");
  CHECK(call(route_to({{"login", "m"}})).status == 200);
  CHECK(seen.snapshot().at(0) == "api.example:" + std::to_string(server.port()));
  CHECK(call(route_to({{"wrong", "m"}})).text.find("user and password") != std::string::npos);
  CHECK(call(route_to({{"anonymous", "m"}})).text.find("login") != std::string::npos);
  CHECK(call(route_to({{"refused", "m"}})).text.find("do not allow") != std::string::npos);
}

TEST_CASE_FIXTURE(tls_fixture, "an address behind a proxy is judged all the same") {
  proxy_log seen;
  script_server proxy{http_proxy(seen)};
  auto meta = section("meta", "http://169.254.169.254/latest");
  meta.proxy = proxy.url("");
  auto odd = section("odd", "http://0x7f.1/");
  odd.proxy = proxy.url("");
  serve({meta, odd}, dns);
  CHECK(call(route_to({{"meta", "m"}})).error == ec::upstream_unavailable);
  CHECK(call(route_to({{"odd", "m"}})).error == ec::upstream_unavailable);
  CHECK(seen.snapshot().empty());
}

TEST_CASE_FIXTURE(tls_fixture, "a proxy that says nonsense or nothing is an error in time") {
  script_server nonsense{[](peer& one) { one.write("220 smtp.example ESMTP\r\n\r\n"); }};
  script_server silent{[](peer& one) { one.wait_closed(10s); }};
  auto a = tls_section();
  a.name = "a";
  a.proxy = nonsense.url("");
  auto b = tls_section();
  b.name = "b";
  b.proxy = "socks5://127.0.0.1:" + std::to_string(silent.port());
  b.connect_limit_ms = 100;
  b.retries_max = 0;
  serve({a, b}, dns);
  CHECK(call(route_to({{"a", "m"}})).text.find("refused") != std::string::npos);
  auto r = call(route_to({{"b", "m"}}));
  CHECK(r.error == ec::upstream_timeout);
  CHECK(r.took < 2s);
}
