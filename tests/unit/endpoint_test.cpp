// URLs, keys and what an upstream section becomes.
#include "gateway/upstream/demo_reply.hpp"
#include "gateway/upstream/endpoint.hpp"
#include "messages/error.hpp"
#include "messages/id.hpp"

#include <doctest/doctest.h>

#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>

using namespace troupe;
using namespace troupe::gateway;

namespace {

config::upstream_section section(std::string base_url) {
  config::upstream_section s;
  s.name = "main";
  s.base_url = std::move(base_url);
  return s;
}

} // namespace

TEST_CASE("a base URL becomes host, port and target") {
  auto ep = make_endpoint(section("https://api.example.com/v1/"));
  REQUIRE(ep);
  CHECK(ep->host == "api.example.com");
  CHECK(ep->port == 443);
  CHECK(ep->tls);
  CHECK(ep->target == "/v1");
  CHECK(ep->host_header == "api.example.com");
  ep = make_endpoint(section("http://[::1]:8000"));
  REQUIRE(ep);
  CHECK(ep->host == "::1");
  CHECK(ep->host_header == "[::1]:8000");
  CHECK(ep->target.empty());
  CHECK(!ep->tls);
}

TEST_CASE("a base URL that cannot be used is refused with the upstream's name") {
  for (std::string url : {"", "api.example.com/v1", "ftp://example.com", "https://",
                          "https://host:0/", "https://host:99999/", "https://ho st/",
                          "https://user:pw@host/v1", "https://host/\r\nX: y"}) {
    CAPTURE(url);
    auto ep = make_endpoint(section(url));
    REQUIRE(!ep);
    CHECK(info(ep.error()).code == ec::config_invalid);
    CHECK(describe(ep.error()).find("main") != std::string::npos);
    CHECK(describe(ep.error()).find("pw") == std::string::npos);
  }
}

TEST_CASE("keys come from the text, the environment or a file") {
  CHECK(*resolve_secret("sk-1") == "sk-1");
  CHECK(*resolve_secret("") == "");
  ::setenv("TROUPE_TEST_KEY", "sk-env", 1);
  CHECK(*resolve_secret("env:TROUPE_TEST_KEY") == "sk-env");
  auto missing = resolve_secret("env:TROUPE_TEST_NO_SUCH_KEY");
  REQUIRE(!missing);
  CHECK(describe(missing.error()).find("TROUPE_TEST_NO_SUCH_KEY") != std::string::npos);
  auto path = (std::filesystem::temp_directory_path() / ("troupe_key_" + new_id())).string();
  std::ofstream{path} << "sk-file\r\nmore\n";
  CHECK(*resolve_secret("file:" + path) == "sk-file");
  std::remove(path.c_str());
  CHECK(!resolve_secret("file:" + path));
  auto injected = resolve_secret("sk-1\r\nX-Evil: 1");
  REQUIRE(!injected);
  CHECK(describe(injected.error()).find("sk-1") == std::string::npos);
}

TEST_CASE("proxies are http or socks5, with or without a user") {
  auto s = section("https://api.example.com/v1");
  s.proxy = "http://us%40er:p%3Aw@proxy.example:3128";
  auto ep = make_endpoint(s);
  REQUIRE(ep);
  CHECK(ep->proxy == proxy_kind::http);
  CHECK(ep->proxy_host == "proxy.example");
  CHECK(ep->proxy_port == 3128);
  CHECK(ep->proxy_user == "us@er");
  CHECK(ep->proxy_password == "p:w");
  s.proxy = "socks5://127.0.0.1";
  ep = make_endpoint(s);
  REQUIRE(ep);
  CHECK(ep->proxy == proxy_kind::socks5);
  CHECK(ep->proxy_port == 1080);
  s.proxy = "https://secret@proxy";
  ep = make_endpoint(s);
  REQUIRE(!ep);
  CHECK(describe(ep.error()).find("secret") == std::string::npos);
}

TEST_CASE("the demo's pace and length come from its base_url") {
  auto options = demo_options_of(section("demo://?tokens_per_s=50&tokens=20&latency_ms=5"));
  CHECK(options.tokens_per_s == 50);
  CHECK(options.tokens == 20);
  CHECK(options.latency_ms == 5);
  options = demo_options_of(section("demo://"));
  CHECK(options.tokens_per_s == 100);
  CHECK(options.tokens == 0);
  options = demo_options_of(section("demo://?tokens_per_s=-1&tokens=x&latency_ms=99999999999"));
  CHECK(options.tokens_per_s == 100);
  CHECK(options.tokens == 0);
  CHECK(options.latency_ms == 0);
}

TEST_CASE("the demo says what it is, repeats what it heard, and counts what it says") {
  demo_reply reply{"How are\nyou?", {}};
  auto text = reply.rest();
  CHECK(text.find("demo built into Troupe") != std::string::npos);
  CHECK(text.find("\"How are you?\"") != std::string::npos);
  CHECK(text.find("OPENAI_API_KEY") != std::string::npos);
  CHECK(reply.tokens_given() == demo_reply::count_tokens(text));
  CHECK(reply.usage(3).total_tokens() == 3 + reply.tokens_given());
  CHECK(reply.finish_reason() == "stop");
}

TEST_CASE("the demo answers Chinese in Chinese and never cuts a character") {
  std::string long_text;
  for (int i = 0; i < 100; ++i)
    long_text += "你";
  demo_reply reply{long_text, {}};
  auto text = reply.rest();
  CHECK(text.find("演示") != std::string::npos);
  CHECK(text.find("…") != std::string::npos);
  CHECK(text.find("\xEF\xBF\xBD") == std::string::npos);
}

TEST_CASE("the demo gives as many tokens as it was told to") {
  demo_options options;
  options.tokens = 500;
  demo_reply exact{"hi", options};
  exact.rest();
  CHECK(exact.tokens_given() == 500);
  CHECK(exact.finish_reason() == "stop");
  demo_reply limited{"hi", {}, 5};
  limited.rest();
  CHECK(limited.tokens_given() == 5);
  CHECK(limited.finish_reason() == "length");
}
