// Ids, trace context and the table of errors.
#include "messages/error.hpp"
#include "messages/id.hpp"
#include "messages/types.hpp"

#include <doctest/doctest.h>

#include <set>
#include <string>

using namespace troupe;

TEST_CASE("ids of one thread are unique, well formed and sort in the order they were made") {
  std::string last;
  for (int i = 0; i < 10'000; ++i) {
    auto id = new_id(1'700'000'000'000'000);
    CHECK(is_id(id));
    CHECK(id[14] == '7');
    CHECK(id > last);
    last = id;
  }
  CHECK(!is_id("0190163d-8694-739b-aea5-966c26f8ad9"));
  CHECK(!is_id("0190163D-8694-739b-aea5-966c26f8ad91"));
}

TEST_CASE("a child trace keeps its trace id and has a span of its own") {
  auto parent = new_traceparent();
  REQUIRE(is_traceparent(parent));
  auto child = child_traceparent(parent);
  CHECK(is_traceparent(child));
  CHECK(trace_id_of(child) == trace_id_of(parent));
  CHECK(child != parent);
  CHECK(is_traceparent(child_traceparent("nonsense")));
  CHECK(!is_traceparent("00-00000000000000000000000000000000-0123456789abcdef-01"));
}

TEST_CASE("every error code has a name of its own and a status that says whose fault it is") {
  std::set<std::string_view> names;
  for (int i = 0; i <= static_cast<int>(ec_last); ++i) {
    const auto& row = info(static_cast<ec>(i));
    CHECK(names.insert(row.name).second);
    CHECK(ec_from_name(row.name) == row.code);
    if (row.code != ec::none) {
      CHECK(row.http_status >= 400);
      CHECK(!row.openai_type.empty());
      CHECK(row.exit_code >= 1);
    }
  }
  CHECK(info(ec::store_unavailable).http_status == 503);
  CHECK(describe(make_error(ec::not_found, "no such conversation")) == "no such conversation");
  CHECK(describe(make_error(ec::not_found)) == "not_found");
  CHECK(info(caf::make_error(caf::sec::request_timeout)).code == ec::deadline_exceeded);
}
