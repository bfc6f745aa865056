// Rulesets over REST, on real sockets, with the ruleset service and a store behind them.
#include "actors/rulesets/ruleset_service.hpp"
#include "gateway/api/rulesets.hpp"
#include "tests/support/fake_ruleset_kind.hpp"
#include "tests/support/fake_text_store.hpp"
#include "tests/support/rulesets.hpp"
#include "tests/support/server_fixture.hpp"

#include <doctest/doctest.h>
#include <fmt/format.h>
#include <nlohmann/json.hpp>

using namespace troupe;
using namespace std::chrono_literals;
using nlohmann::json;
using test::raw_answer;

namespace {

struct answer : raw_answer {
  json body_json() const { return json::parse(body, nullptr, false); }
  std::string of_error(const char* field) const {
    auto whole = body_json();
    if (!whole.is_object() || !whole.contains("error"))
      return {};
    return whole["error"].value(field, "");
  }
  std::string code() const { return of_error("code"); }
  std::string message() const { return of_error("message"); }
};

struct rulesets_api : test::server_fixture {
  rulesets_api() {
    actor_host host{&*system, &all_probes};
    store = spawn(host, test::fake_text_store, data);
    service = spawn(host, ruleset_service, ruleset_options{host, store, kind});
    gateway::authenticator_options who;
    who.node_token = "secret";
    gateway::api_options api;
    api.who = std::make_shared<const gateway::authenticator>(std::move(who));
    gateway::router routes;
    add_ruleset_routes(routes, {"/api/v1/lexicons", v1::RULESET_KIND_LEXICON, service, store},
                       std::make_shared<const gateway::api_options>(std::move(api)));
    REQUIRE(start(std::move(routes)));
  }
  ~rulesets_api() {
    server->stop();
    caf::anon_send_exit(service, caf::exit_reason::user_shutdown);
    caf::anon_send_exit(store, caf::exit_reason::user_shutdown);
    service = nullptr;
    store = nullptr;
    close();
  }

  answer call(const std::string& method, const std::string& path, const std::string& body = {},
              const std::string& type = "application/json", const std::string& key = "secret") {
    auto text = fmt::format("{} /api/v1/lexicons{} HTTP/1.1\r\nHost: test\r\nConnection: close\r\n",
                            method, path);
    if (!key.empty())
      text += "Authorization: Bearer " + key + "\r\n";
    if (!type.empty() && !body.empty())
      text += "Content-Type: " + type + "\r\n";
    if (method != "GET" && method != "DELETE")
      text += fmt::format("Content-Length: {}\r\n", body.size());
    return {client().ask(text + "\r\n" + body, 30s)};
  }
  json done(const std::string& method, const std::string& path, const std::string& body = {},
            int status = 200) {
    auto got = call(method, path, body);
    CHECK(got.status == status);
    CHECK(got.field("content-type") == "application/json");
    return got.body_json();
  }
  answer import_file(const std::string& file, const std::string& query = {}) {
    return call("PUT", "/words/file" + query, file, "text/plain");
  }

  test::fake_text_store_ptr data = std::make_shared<test::fake_text_store_data>();
  std::shared_ptr<test::fake_ruleset_kind> kind = std::make_shared<test::fake_ruleset_kind>();
  test::fake_text_store_actor store;
  ruleset_actor service;
};

} // namespace

TEST_CASE_FIXTURE(rulesets_api, "a lexicon is made, listed, read, changed and deleted over REST") {
  auto made = done("POST", "", R"({"name":"words","description":"ours"})", 201);
  CHECK(made["name"] == "words");
  CHECK(made["enabled"] == true);
  CHECK(made["version"] == 0);
  CHECK(done("GET", "")["rulesets"] == json::array({made}));
  CHECK(done("GET", "/words") == made);
  auto changed = done("PATCH", "/words", R"({"enabled":false,"name":"other"})");
  CHECK(changed["enabled"] == false);
  CHECK(changed["description"] == "ours");
  CHECK(call("GET", "/words").code() == "not_found");
  CHECK(done("DELETE", "/other") == json{{"name", "other"}, {"deleted", true}});
  CHECK(call("DELETE", "/other").status == 404);
  CHECK(done("GET", "")["rulesets"].empty());
}

TEST_CASE_FIXTURE(rulesets_api, "items are put and removed, and listed as they were written") {
  done("POST", "", R"({"name":"words"})", 201);
  auto edited =
      done("POST", "/words/items", R"({"put":[{"key":"a","n":1.50},{"key":"b"}],"comment":"two"})");
  CHECK(edited["change"]["added"] == 2);
  CHECK(edited["change"]["comment"] == "two");
  CHECK(edited["change"]["restored_from"].is_null());
  CHECK(edited["ruleset"]["version"] == 1);
  CHECK(edited["problems"].empty());
  done("POST", "/words/items", R"({"remove":[{"key":"a"}],"base_version":1})");
  auto page = done("GET", "/words/items");
  REQUIRE(page["items"].size() == 1);
  CHECK(page["items"][0]
        == json{{"key", "b"},
                {"item", {{"key", "b"}}},
                {"added_version", 1},
                {"removed_version", nullptr}});
  CHECK(page["version"] == 2);
  page = done("GET", "/words/items?version=1&limit=1");
  CHECK(page["items"][0]["removed_version"] == 2);
  auto cursor = page["next_cursor"].get<std::string>();
  page = done("GET", "/words/items?limit=1&cursor=" + cursor);
  CHECK(page["items"][0]["key"] == "b");
  CHECK(page["next_cursor"].is_null());
  CHECK(done("GET", "/words/items?version=1&q=1.5")["items"].size() == 1);
  auto conflict = call("POST", "/words/items", R"({"put":[{"key":"c"}],"base_version":1})");
  CHECK(conflict.status == 409);
  CHECK(conflict.message().find("version 2 now, not 1") != std::string::npos);
  CHECK(done("POST", "/words/items", R"({"put":[{"key":"b"}]})")["unchanged"] == true);
}

TEST_CASE_FIXTURE(rulesets_api, "items with problems change nothing and are told") {
  done("POST", "", R"({"name":"words"})", 201);
  auto refused = call("POST", "/words/items", R"({"put":[{"key":"a"},{"key":"bad"}]})");
  CHECK(refused.status == 400);
  CHECK(refused.code() == "invalid_argument");
  CHECK(refused.message().find("put[1]: the key may not be bad") != std::string::npos);
  CHECK(refused.body_json()["problems"].size() == 1);
  CHECK(done("GET", "/words")["version"] == 0);
}

TEST_CASE_FIXTURE(rulesets_api, "a file is imported and any version exported again") {
  done("POST", "", R"({"name":"words"})", 201);
  auto got = import_file("a\n!x\nb");
  CHECK(got.status == 400);
  CHECK(got.message().find("line 2: it begins with !") != std::string::npos);
  got = import_file("a\n!x\nb", "?dry_run=true");
  CHECK(got.status == 200);
  CHECK(got.body_json()["problems_total"] == 1);
  CHECK(got.body_json()["change"].is_null());
  got = import_file("a\n!x\nb", "?skip_problems=true&comment=first%20one");
  CHECK(got.status == 200);
  CHECK(got.body_json()["change"]["added"] == 2);
  CHECK(got.body_json()["change"]["comment"] == "first one");
  CHECK(got.body_json()["encoding"] == "UTF-8");
  CHECK(import_file("b\nc", "?replace=true").body_json()["change"]["removed"] == 1);
  auto file = call("GET", "/words/file");
  CHECK(file.status == 200);
  CHECK(file.field("content-type") == "text/plain");
  CHECK(file.field("content-disposition") == "attachment; filename=\"words-2.txt\"");
  CHECK(file.field("x-ruleset-version") == "2");
  CHECK(file.body == "{\"key\":\"b\"}\n{\"key\":\"c\"}\n");
  CHECK(call("GET", "/words/file?version=1").body == "{\"key\":\"a\"}\n{\"key\":\"b\"}\n");
  CHECK(call("GET", "/words/file?version=3").status == 404);
  CHECK(call("GET", "/words/file?format=none").status == 400);
}

TEST_CASE_FIXTURE(rulesets_api, "versions are listed, compared and gone back to") {
  done("POST", "", R"({"name":"words"})", 201);
  done("POST", "/words/items", R"({"put":[{"key":"a"},{"key":"b"}]})");
  done("POST", "/words/items", R"({"put":[{"key":"a","n":2}],"remove":[{"key":"b"}]})");
  auto versions = done("GET", "/words/versions?limit=1");
  CHECK(versions["versions"][0]["version"] == 2);
  auto next = versions["next_cursor"].get<std::string>();
  CHECK(done("GET", "/words/versions?cursor=" + next)["versions"][0]["version"] == 1);
  auto diff = done("GET", "/words/diff?from=1&to=2");
  CHECK(diff["removed"].size() == 2);
  CHECK(diff["added"].size() == 1);
  CHECK(diff["added"][0]["item"]["n"] == 2);
  diff = done("GET", "/words/diff?from=0&limit=1");
  CHECK(diff["next_cursor"].is_null());
  auto back = done("POST", "/words/restore", R"({"version":1,"base_version":2})");
  CHECK(back["change"]["restored_from"] == 1);
  CHECK(back["ruleset"]["version"] == 3);
  CHECK(done("GET", "/words/diff?from=1")["added"].empty());
  auto lint = done("POST", "/words/lint", R"({"ordinary_text":"\"b"})");
  CHECK(lint["problems_total"] == 1);
  CHECK(lint["version"] == 3);
  CHECK(done("POST", "/words/lint")["problems_total"] == 2);
}

TEST_CASE_FIXTURE(rulesets_api, "what makes no sense is refused with what would") {
  done("POST", "", R"({"name":"words"})", 201);
  struct bad {
    const char* method;
    const char* path;
    const char* body;
    int status;
  };
  const bad all[] = {
      {"POST", "", "", 400},
      {"POST", "", "[]", 400},
      {"POST", "", R"({"name":"a b"})", 400},
      {"POST", "", R"({"name":""})", 400},
      {"POST", "", R"({"name":"x","colour":"red"})", 400},
      {"POST", "", R"({"name":"words"})", 409},
      {"PATCH", "/words", R"({"version":3})", 400},
      {"PATCH", "/words", R"({"name":"a/b"})", 400},
      {"GET", "/nowhere", "", 404},
      {"GET", "/a%20b", "", 400},
      {"GET", "/%ff", "", 400},
      {"GET", "/words/items?limit=0", "", 400},
      {"GET", "/words/items?limit=1001", "", 400},
      {"GET", "/words/items?cursor=x", "", 400},
      {"GET", "/words/items?version=9", "", 404},
      {"GET", "/words/items?q=%00", "", 400},
      {"POST", "/words/items", "{}", 400},
      {"POST", "/words/items", R"({"put":[1]})", 400},
      {"POST", "/words/items", R"({"put":{}})", 400},
      {"POST", "/words/items", R"({"put":[{"key":"a"}],"base_version":-1})", 400},
      {"POST", "/nowhere/items", R"({"put":[{"key":"a"}]})", 404},
      {"GET", "/words/versions?limit=x", "", 400},
      {"GET", "/words/diff", "", 400},
      {"GET", "/words/diff?from=1&to=2", "", 404},
      {"POST", "/words/restore", "{}", 400},
      {"POST", "/words/restore", R"({"version":1})", 404},
      {"PUT", "/words/file", "", 400},
      {"PUT", "/words/file?format=none", "a", 400},
      {"PUT", "/words/file?replace=maybe", "a", 400},
      {"PUT", "/words", "a", 405},
  };
  for (const auto& one : all) {
    CAPTURE(one.method);
    CAPTURE(one.path);
    CAPTURE(one.body);
    auto got = call(one.method, one.path, one.body);
    CHECK(got.status == one.status);
    CHECK(got.message().size() > 10);
  }
  CHECK(call("POST", "", R"({"name":"x"})", "text/plain").code() == "malformed_request");
  auto form = call("PUT", "/words/file", "a", "Multipart/Form-Data; boundary=x");
  CHECK(form.code() == "malformed_request");
  auto large = client().ask("POST /api/v1/lexicons/words/items HTTP/1.1\r\nHost: test\r\n"
                            "Authorization: Bearer secret\r\nContent-Length: 3000000\r\n\r\n");
  CHECK(large.status == 413);
}

TEST_CASE_FIXTURE(rulesets_api, "nobody without the scope admin gets at rulesets") {
  for (const auto* method : {"GET", "POST"}) {
    CHECK(call(method, "", {}, {}, "").status == 401);
    CHECK(call(method, "/words/items", {}, {}, "").status == 401);
  }
}

TEST_CASE_FIXTURE(rulesets_api, "while the store fails the answer says so") {
  data->failing = [](std::string_view) { return ec::store_unavailable; };
  auto got = call("GET", "");
  CHECK(got.status == 503);
  CHECK(!got.field("retry-after").empty());
  CHECK(call("POST", "", R"({"name":"x"})").status == 503);
}
