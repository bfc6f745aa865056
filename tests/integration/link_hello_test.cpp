// Links between nodes: who gets one.
#include "tests/support/link_node.hpp"
#include "tests/support/script_server.hpp"

#include <doctest/doctest.h>

using namespace troupe;
using namespace troupe::test;
using namespace std::chrono_literals;

TEST_CASE("two nodes that know of each other get a link, and ask each other over it") {
  link_node a{"a"};
  link_node b{"b"};
  REQUIRE(join(a, b));
  auto got = a.ask(a.handle("b"), get_request("one"));
  REQUIRE(got);
  CHECK((*got)->conversation().id() == "one");
  got = b.ask(b.handle("a"), get_request("two"));
  REQUIRE(got);
  CHECK((*got)->conversation().id() == "two");
  CHECK(a.probe().links_made == 1);
  CHECK(b.probe().links_made == 1);
  a.news().with([](auto& n) {
    CHECK(n.linked.at(0)->incarnation() == 1);
    CHECK(n.looks == 0);
  });
}
