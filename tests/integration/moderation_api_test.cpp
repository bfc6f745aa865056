// Moderation over REST, on real sockets, with the actor and a store behind it.
#include "actors/moderation/guard.hpp"
#include "actors/moderation/moderation.hpp"
#include "gateway/api/api_options.hpp"
#include "gateway/api/rulesets.hpp"
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

constexpr auto conversation = "0190163d-8694-739b-aea5-966c26f8ad91";

struct answer : raw_answer {
  json body_json() const { return json::parse(body, nullptr, false); }
  std::string message() const { return body_json().value("/error/message"_json_pointer, ""); }
};

struct moderation_api : test::server_fixture {
  moderation_api() {
    actor_host host{&*system, &all_probes};
    store = spawn(host, test::fake_text_store, data);
    moderation_options options;
    options.host = host;
    options.store = store;
    options.watch = std::make_shared<moderation::word_watch>(matching());
    options.probe = std::make_shared<moderation_probe>();
    service = spawn(host, moderation_service, options);
    guard_options looking;
    looking.watch = options.watch;
    looking.audit = [this](RecordModerationHits hits) { caf::anon_send(service, std::move(hits)); };
    guard = make_text_guard(std::move(looking));
    gateway::authenticator_options who;
    who.node_token = "secret";
    gateway::api_options api;
    api.who = std::make_shared<const gateway::authenticator>(std::move(who));
    api.moderation = service;
    api.text_store = store;
    gateway::router routes;
    add_moderation_routes(routes, api);
    add_ruleset_routes(routes, {"/api/v1/lexicons", v1::RULESET_KIND_LEXICON, service, store},
                       std::make_shared<const gateway::api_options>(api));
    REQUIRE(start(std::move(routes)));
  }
  ~moderation_api() {
    server->stop();
    caf::anon_send_exit(service, caf::exit_reason::user_shutdown);
    caf::anon_send_exit(store, caf::exit_reason::user_shutdown);
    guard.reset();
    service = nullptr;
    store = nullptr;
    close();
  }

  static moderation::matcher_options matching() {
    config::moderation_section section;
    section.detectors = {{"email", "mask"}};
    return *moderation::options_of(section);
  }

  answer call(const std::string& method, const std::string& path, const std::string& body = {},
              const std::string& key = "secret") {
    auto text = fmt::format("{} /api/v1/{} HTTP/1.1\r\nHost: test\r\nConnection: close\r\n"
                            "Content-Type: application/json\r\n",
                            method, path);
    if (!key.empty())
      text += "Authorization: Bearer " + key + "\r\n";
    if (method != "GET")
      text += fmt::format("Content-Length: {}\r\n", body.size());
    return {client().ask(text + "\r\n" + (method == "GET" ? "" : body), 30s)};
  }
  json done(const std::string& method, const std::string& path, const std::string& body = {},
            int status = 200) {
    auto got = call(method, path, body);
    CHECK(got.status == status);
    return got.body_json();
  }

  test::fake_text_store_ptr data = std::make_shared<test::fake_text_store_data>();
  text_store_actor store;
  moderation_actor service;
  text_guard_ptr guard;
};

} // namespace

TEST_CASE_FIXTURE(moderation_api, "a lexicon is written, is at work, and tells what it finds") {
  done("POST", "lexicons", R"({"name":"house"})", 201);
  done("POST", "lexicons/house/items",
       R"({"put":[{"text":"atlantis","category":"cities","level":4,"action":"block"}]})");
  REQUIRE(test::eventually([&] { return done("GET", "moderation/status")["items"] == 1; }));
  auto status = done("GET", "moderation/status");
  CHECK(status["lexicons"][0]["name"] == "house");
  CHECK(status["lexicons"][0]["version"] == 1);
  CHECK(status["memory_bytes"] > 0);
  CHECK(status["error"].is_null());
  auto results = done("POST", "moderation/test",
                      R"({"texts":["to ATLANTIS","a@example.org wrote","nothing"]})")["results"];
  REQUIRE(results.size() == 3);
  CHECK(results[0]["action"] == "block");
  CHECK(results[0]["rendered"].is_null());
  CHECK(results[0]["hits"][0]
        == json{{"begin", 3},
                {"end", 11},
                {"text", "ATLANTIS"},
                {"entry", "atlantis"},
                {"category", "cities"},
                {"level", 4},
                {"action", "block"},
                {"folds", {"letter_case"}},
                {"lexicon", "house"}});
  CHECK(results[1]["hits"][0]["entry"] == "email");
  CHECK(results[1]["hits"][0]["lexicon"].is_null());
  CHECK(results[1]["rendered"] == "************* wrote");
  CHECK(results[2]["action"].is_null());
  CHECK(results[2]["rendered"] == "nothing");
  CHECK(done("POST", "moderation/test", R"({"text":"atlantis"})")["results"].size() == 1);
}

TEST_CASE_FIXTURE(moderation_api, "hits are listed, newest first, by what is asked for") {
  text_origin from;
  from.conversation_id = conversation;
  for (auto text : {"to a@example.org", "to b@example.org"})
    CHECK(guard->check(text, v1::TEXT_DIRECTION_MODEL, from));
  REQUIRE(test::eventually([&] { return done("GET", "moderation/hits")["hits"].size() == 2; }));
  auto page = done("GET", "moderation/hits?limit=1");
  REQUIRE(page["hits"].size() == 1);
  const auto& hit = page["hits"][0];
  CHECK(hit["text"] == "b@example.org");
  CHECK(hit["direction"] == "model");
  CHECK(hit["conversation_id"] == conversation);
  CHECK(hit["principal_id"].is_null());
  auto next =
      done("GET", "moderation/hits?limit=1&cursor=" + page["next_cursor"].get<std::string>());
  CHECK(next["hits"][0]["text"] == "a@example.org");
  for (auto [query, count] : {std::pair{"action=mask", 2},
                              {"action=block", 0},
                              {"category=email", 2},
                              {"category=phone", 0},
                              {"conversation_id=0190163d-8694-739b-aea5-966c26f8ad91", 2},
                              {"conversation_id=0190163d-8694-739b-aea5-966c26f8ad92", 0},
                              {"to_us=1", 0},
                              {"from_us=1", 2}})
    CHECK(done("GET", std::string{"moderation/hits?"} + query)["hits"].size() == count);
}

TEST_CASE_FIXTURE(moderation_api, "what makes no sense is refused, and says what would") {
  for (auto body : {"", "[]", "{}", R"({"text":1})", R"({"texts":[]})", R"({"texts":[1]})",
                    R"({"text":"a","texts":["a"]})", R"({"text":"a","more":1})",
                    R"({"text":"a","hits_max":0})", R"({"text":"a","channel":7})"}) {
    CAPTURE(body);
    auto refused = call("POST", "moderation/test", body);
    CHECK(refused.status == 400);
    CHECK(!refused.message().empty());
  }
  CHECK(call("POST", "moderation/test", R"({"text":"a","lexicon":"nobody"})").status == 404);
  for (auto query : {"limit=0", "limit=x", "from_us=-1", "action=delete", "conversation_id=7",
                     "cursor=nonsense"}) {
    CAPTURE(query);
    CHECK(call("GET", std::string{"moderation/hits?"} + query).status == 400);
  }
}

TEST_CASE_FIXTURE(moderation_api, "only an administrator may look") {
  for (auto [method, path] : {std::pair{"POST", "moderation/test"},
                              {"GET", "moderation/hits"},
                              {"GET", "moderation/status"}})
    CHECK(call(method, path, R"({"text":"a"})", "").status == 401);
}
