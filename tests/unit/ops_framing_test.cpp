#include "gateway/ops/framing.hpp"
#include "gateway/ops/guard.hpp"

#include <doctest/doctest.h>

using namespace troupe::gateway::ops;

namespace {

int status_of(const std::string& bytes) {
  auto f = inspect(bytes, {});
  return f.what == frame::state::refused ? f.status : 0;
}

std::string get_with(const std::string& fields) {
  return "GET / HTTP/1.1\r\nHost: localhost\r\n" + fields + "\r\n";
}

} // namespace

TEST_CASE("a request is complete at its last byte, however it is cut") {
  std::string whole = "PUT /ops/v1/log HTTP/1.1\r\nHost: a\r\ncontent-length: 4\r\n\r\nbody";
  for (std::size_t n = 0; n < whole.size(); ++n)
    CHECK(inspect(whole.substr(0, n), {}).what == frame::state::incomplete);
  auto f = inspect(whole + "GET /next", {});
  CHECK(f.what == frame::state::complete);
  CHECK(f.size == whole.size());
  CHECK(inspect(get_with(""), {}).what == frame::state::complete);
}

TEST_CASE("what cpp-httplib would take is refused where it is ambiguous") {
  CHECK(status_of(get_with("Transfer-Encoding: chunked\r\n")) == 411);
  CHECK(status_of(get_with("Content-Length: 1\r\nTransfer-Encoding: chunked\r\n")) == 411);
  CHECK(status_of(get_with("Content-Length: 1\r\nContent-Length: 1\r\n")) == 400);
  for (auto length : {"", "+1", "-1", "1x", "0x1", "1, 1", "1 1"})
    CHECK_MESSAGE(status_of(get_with(std::string{"Content-Length: "} + length + "\r\n")) == 400,
                  length);
  CHECK(status_of(get_with("Content-Length: 65537\r\n")) == 413);
  CHECK(status_of(get_with("Content-Length: 99999999999999999999999\r\n")) == 413);
  CHECK(status_of(get_with("Range: bytes=0-1\r\n")) == 400);
  CHECK(status_of(get_with(" folded\r\n")) == 400);
  CHECK(status_of(get_with("No colon\r\n")) == 400);
  CHECK(status_of(get_with("Space : x\r\n")) == 400);
  CHECK(status_of(get_with(": nameless\r\n")) == 400);
  CHECK(status_of(get_with(std::string{"Nul: a\0b\r\n", 10})) == 400);
  CHECK(status_of("GET / HTTP/1.1\nHost: a\n\n") == 400);
  CHECK(status_of("\n") == 400);
  for (auto line : {"GET /", "GET  / HTTP/1.1", "GET / HTTP/2.0", "GET http://a/ HTTP/1.1",
                    "G(T / HTTP/1.1", " GET / HTTP/1.1", "GET /\x01 HTTP/1.1", ""})
    CHECK_MESSAGE(status_of(std::string{line} + "\r\nHost: a\r\n\r\n") == 400, line);
  CHECK(status_of("GET /" + std::string(5'000, 'a') + " HTTP/1.1\r\n\r\n") == 400);
}

TEST_CASE("a header is bounded in bytes and in fields, before it is complete") {
  CHECK(status_of("GET / HTTP/1.1\r\nA: " + std::string(20'000, 'a')) == 431);
  std::string many;
  for (int i = 0; i < 70; ++i)
    many += "A: b\r\n";
  CHECK(status_of(get_with(many)) == 431);
}

TEST_CASE("on loopback reading is open, changing needs the token") {
  guard g{"127.0.0.1", "secret"};
  auto status = [&](std::string_view method, std::string_view authorization) {
    return g.check({method, "localhost:9400", "", "", authorization}).status;
  };
  CHECK(status("GET", "") == 0);
  CHECK(status("HEAD", "") == 0);
  CHECK(status("POST", "") == 401);
  CHECK(status("PUT", "Bearer wrong") == 401);
  CHECK(status("PUT", "Bearer secret2") == 401);
  CHECK(status("PUT", "Basic secret") == 401);
  CHECK(status("PUT", "secret") == 401);
  CHECK(status("DELETE", "") == 401);
  CHECK(status("POST", "Bearer secret") == 0);
  CHECK(status("POST", "bearer secret") == 0);
}

TEST_CASE("beyond loopback everything needs the token") {
  guard g{"10.0.0.1", "secret"};
  CHECK(g.check({"GET", "10.0.0.1:9400", "", "", ""}).status == 401);
  CHECK(g.check({"GET", "node.example:9400", "", "", "Bearer secret"}).status == 0);
}

TEST_CASE("without a token nothing can be changed") {
  guard g{"127.0.0.1", ""};
  CHECK(g.check({"POST", "127.0.0.1", "", "", "Bearer "}).status == 401);
  CHECK(g.check({"POST", "127.0.0.1", "", "", ""}).status == 401);
}

TEST_CASE("web pages of other origins get nothing, by any trick with names") {
  guard g{"127.0.0.1", "secret"};
  auto status = [&](std::string_view host, std::string_view origin, std::string_view site = "") {
    return g.check({"GET", host, origin, site, "Bearer secret"}).status;
  };
  CHECK(status("127.0.0.1:9400", "") == 0);
  CHECK(status("[::1]:9400", "") == 0);
  CHECK(status("localhost:9400", "http://localhost:9400") == 0);
  CHECK(status("localhost:9400", "", "none") == 0);
  CHECK(status("evil.example:9400", "") == 403);
  CHECK(status("", "") == 403);
  CHECK(status("127.0.0.1.evil.example", "") == 403);
  CHECK(status("localhost.evil.example", "") == 403);
  CHECK(status("localhost:9400", "http://evil.example") == 403);
  CHECK(status("localhost:9400", "null") == 403);
  CHECK(status("localhost:9400", "http://localhost:3000") == 403);
  CHECK(status("localhost:9400", "", "cross-site") == 403);
  guard_input doubled{"GET", "localhost", "", "", "", false};
  CHECK(g.check(doubled).status == 400);
}
