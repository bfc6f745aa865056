#include "gateway/api/openapi.hpp"

#include <doctest/doctest.h>

using namespace troupe::gateway;
using nlohmann::json;

TEST_CASE("YAML becomes JSON by what its scalars look like, unless they are quoted") {
  auto value = yaml_to_json("a: 1\nb: '1'\nc: 1.5\nd: true\ne: null\nf: 3.1.0\ng: \"true\"\n"
                            "h: [x, -2, 1e3]\ni: {j: ''}\n200: k\nl: |\n  two\n  lines\n");
  CHECK(value
        == json{{"a", 1},
                {"b", "1"},
                {"c", 1.5},
                {"d", true},
                {"e", nullptr},
                {"f", "3.1.0"},
                {"g", "true"},
                {"h", {"x", -2, 1000.0}},
                {"i", {{"j", ""}}},
                {"200", "k"},
                {"l", "two\nlines\n"}});
}

TEST_CASE("the program carries its own API description, whole") {
  auto document = json::parse(openapi_json());
  CHECK(document["openapi"] == "3.1.0");
  CHECK(document["info"]["version"] == TROUPE_VERSION);
  CHECK(document["paths"].contains("/api/v1/conversations/{id}/turns/{turn}/events"));
  CHECK(document["components"]["schemas"]["Tools"]["maxItems"] == 128);
}
