#include "gateway/api/authenticator.hpp"

#include <doctest/doctest.h>
#include <fmt/format.h>

using namespace troupe::gateway;

TEST_CASE("a bearer key is found whatever the case of its scheme, and nothing else is") {
  CHECK(bearer_of("Bearer abc") == "abc");
  CHECK(bearer_of("bearer   abc  ") == "abc");
  CHECK(bearer_of("BEARER a") == "a");
  for (const auto* text : {"", "Bearer", "Bearer ", "Bearer   ", "Basic abc", "abc", "Bearerabc"})
    CHECK(bearer_of(text).empty());
}

TEST_CASE("only a caller on this machine, by a loopback name, from no foreign page, is local") {
  CHECK(is_local_caller("127.0.0.1", "127.0.0.1:8080", ""));
  CHECK(is_local_caller("::1", "[::1]:8080", ""));
  CHECK(is_local_caller("::ffff:127.0.0.1", "localhost", ""));
  CHECK(is_local_caller("127.0.0.1", "localhost:8080", "http://localhost:5173"));
  CHECK_FALSE(is_local_caller("192.168.1.5", "localhost:8080", ""));
  CHECK_FALSE(is_local_caller("127.0.0.1", "evil.example:8080", ""));
  CHECK_FALSE(is_local_caller("127.0.0.1", "127.0.0.1.evil.example", ""));
  CHECK_FALSE(is_local_caller("127.0.0.1", "", ""));
  CHECK_FALSE(is_local_caller("127.0.0.1", "localhost", "https://evil.example"));
  CHECK_FALSE(is_local_caller("127.0.0.1", "localhost", "null"));
}

TEST_CASE("SHA-256 is SHA-256") {
  std::string hex;
  for (unsigned char c : sha256("abc"))
    hex += fmt::format("{:02x}", c);
  CHECK(hex == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
}
