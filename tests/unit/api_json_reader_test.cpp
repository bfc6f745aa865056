#include "gateway/api/base64.hpp"
#include "gateway/api/json_reader.hpp"

#include <doctest/doctest.h>

using namespace troupe;
using namespace troupe::gateway;
using nlohmann::json;

TEST_CASE("parsing a request's JSON refuses what is no JSON, too deep, or says a key twice") {
  auto refusal = [](std::string_view text) {
    auto value = parse_json(text);
    return value ? std::string{"taken"} : describe(value.error());
  };
  CHECK(refusal(R"({"a":[1,{"a":2}],"b":{"a":3}})") == "taken");
  CHECK(refusal("") == "the body is empty: send a JSON object");
  CHECK(refusal("{\"a\":1") == "the body is not valid JSON near byte 7");
  CHECK(refusal("{\"a\":1}x") == "the body is not valid JSON near byte 8");
  CHECK(refusal("{'a':1}").starts_with("the body is not valid JSON"));
  CHECK(refusal("{\"a\":NaN}").starts_with("the body is not valid JSON"));
  CHECK(refusal("{\"a\":1e999}").starts_with("the body is not valid JSON"));
  CHECK(refusal("{\"a\":\"\xff\"}").starts_with("the body is not valid JSON"));
  CHECK(refusal(R"({"a":"\ud800"})").starts_with("the body is not valid JSON"));
  CHECK(refusal(R"({"a":1,"b":2,"a":3})") == "the key \"a\" is there twice");
  CHECK(refusal(R"([{"x":{"k":1,"k":1}}])") == "the key \"k\" is there twice");
  CHECK(refusal(R"([{"k":1},{"k":1}])") == "taken");
  CHECK(refusal(std::string(32, '[') + std::string(32, ']')) == "taken");
  CHECK(refusal(std::string(33, '[') + std::string(33, ']'))
        == "the JSON is nested more than 32 deep");
  CHECK(refusal(std::string(5'000'000, '[')) == "the JSON is nested more than 32 deep");
  CHECK(info(parse_json("nope").error()).http_status == 400);
}

TEST_CASE("an object reader names the field that is wrong and says what is allowed") {
  auto value = json::parse(R"({"text":"four","number":7,"flag":true,"kind":"b","id":"x",
                               "nul":"a\u0000b","big":18446744073709551615,"half":1.5})");
  auto fault = [&](auto read) {
    object_reader reader{value, "outer"};
    read(reader);
    REQUIRE(reader.failed());
    return describe(reader.finish());
  };
  using reader = object_reader;
  CHECK(fault([](reader& r) { r.text("text", 3); })
        == "outer.text must be a string of at most 3 bytes");
  CHECK(fault([](reader& r) { r.text("text", 9, 5); })
        == "outer.text must be a string of 5 to 9 bytes");
  CHECK(fault([](reader& r) { r.text("number", 9); })
        == "outer.number must be a string of at most 9 bytes");
  CHECK(fault([](reader& r) { r.text("nul", 9); }) == "outer.nul must be a string without U+0000");
  CHECK(fault([](reader& r) { r.integer("number", 8, 9); })
        == "outer.number must be an integer from 8 to 9");
  CHECK(fault([](reader& r) { r.integer("big", 0, 9); })
        == "outer.big must be an integer from 0 to 9");
  CHECK(fault([](reader& r) { r.integer("half", 0, 9); })
        == "outer.half must be an integer from 0 to 9");
  CHECK(fault([](reader& r) { r.integer("flag", 0, 9); })
        == "outer.flag must be an integer from 0 to 9");
  CHECK(fault([](reader& r) { r.boolean("number"); }) == "outer.number must be true or false");
  CHECK(fault([](reader& r) { r.one_of("kind", {"a", "c"}); }) == "outer.kind must be one of a, c");
  CHECK(fault([](reader& r) { r.id_or_null("id"); })
        == "outer.id must be an id: a UUID in lower case, or null");
  CHECK(fault([](reader& r) { r.require("none", "there"); })
        == "outer.none is missing: it must be there");
}

TEST_CASE("an object reader keeps the first fault and refuses fields nobody asked for") {
  auto value = json::parse(R"({"a":1,"b":2})");
  object_reader two{value};
  CHECK_FALSE(two.text("a", 9).has_value());
  CHECK_FALSE(two.text("b", 9).has_value());
  CHECK(describe(two.finish()) == "a must be a string of at most 9 bytes");
  object_reader one{value};
  CHECK(one.integer("a", 0, 9) == 1);
  CHECK_FALSE(one.boolean("c").has_value());
  CHECK(describe(one.finish()) == "b is not a field here; known are a, c");
  CHECK(one.integer("b", 0, 9) == 2);
  CHECK_FALSE(one.finish());
  auto list = json::array();
  object_reader none{list};
  CHECK(describe(none.finish()) == "the body must be a JSON object");
  object_reader inner{list, "x[1]"};
  CHECK(describe(inner.finish()) == "x[1] must be an object");
}

TEST_CASE("numbers and flags of a query string are read whole or refused") {
  CHECK(*read_query_integer("limit", "", 1, 9, 5) == 5);
  CHECK(*read_query_integer("limit", "9", 1, 9, 5) == 9);
  for (const auto* text : {"0", "10", "x", "1x", " 1", "-1", "99999999999999999999", "1.0"})
    CHECK(describe(read_query_integer("limit", text, 1, 9, 5).error())
          == "limit must be an integer from 1 to 9");
  CHECK(*read_query_flag("all", "", true));
  CHECK(*read_query_flag("all", "1", false));
  CHECK_FALSE(*read_query_flag("all", "false", true));
  CHECK(describe(read_query_flag("all", "yes", false).error()) == "all must be true or false");
}

TEST_CASE("base64 is read only in its canonical form") {
  for (std::string bytes : {"", "f", "fo", "foo", "foob"})
    CHECK(from_base64(to_base64(bytes)) == bytes);
  CHECK(to_base64(std::string("\0\xff", 2)) == "AP8=");
  CHECK(from_base64("AP8=") == std::string("\0\xff", 2));
  for (const auto* text : {"A", "AP8", "AP8=\n", " AP8", "AP9=", "A===", "====", "AP-_", "A=8="})
    CHECK_FALSE(from_base64(text).has_value());
}
