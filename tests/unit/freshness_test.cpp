// Whether kept answers still hold.
#include "messages/freshness.hpp"

#include <doctest/doctest.h>

using troupe::freshness;

TEST_CASE("an answer holds until its actor changes its mind") {
  freshness x;
  auto before = x.stamp();
  CHECK(x.steady());
  CHECK(x.holds(before));
  x.change(true);
  CHECK(!x.holds(before));
  CHECK(x.holds(x.stamp()));
}

TEST_CASE("nothing holds while an actor is not steady, and what was kept before never again") {
  freshness x;
  auto before = x.stamp();
  x.change(false);
  auto meanwhile = x.stamp();
  CHECK(!x.steady());
  CHECK(!x.holds(before));
  CHECK(!x.holds(meanwhile));
  x.change(false);
  CHECK(!x.holds(x.stamp()));
  x.change(true);
  CHECK(x.steady());
  CHECK(x.holds(x.stamp()));
  CHECK(!x.holds(before));
  CHECK(!x.holds(meanwhile));
}
