// /v1 in front of a real upstream: what passes through, what is refused, what is recorded.
#include "messages/clock.hpp"
#include "tests/support/openai_fixture.hpp"
#include "tests/support/pace.hpp"

#include <doctest/doctest.h>

#include <boost/asio/write.hpp>

using namespace troupe;
using namespace troupe::gateway;
using namespace troupe::test;
using namespace std::chrono_literals;
using json = nlohmann::json;

TEST_CASE_FIXTURE(openai_fixture, "a whole chat passes through, its usage into the ledger") {
  serve();
  auto a = chat("mock", false);
  CHECK(a.status == 200);
  CHECK(a.whole);
  CHECK(a.content_type.starts_with("application/json"));
  CHECK(a.headers["x-upstream"] == "main");
  auto body = a.json();
  CHECK(body["object"] == "chat.completion");
  CHECK(body["choices"][0]["message"]["content"].get<std::string>().starts_with("the quick "));
  CHECK(body["usage"]["prompt_tokens"] == 3);
  CHECK(body["usage"]["completion_tokens"] == 60);
  auto r = record(0);
  CHECK(r.principal_id() == "key-1");
  CHECK(r.model() == "mock");
  CHECK(r.deployment() == "main");
  CHECK(r.operation() == "chat");
  CHECK(!r.streamed());
  CHECK(r.ending() == v1::ENDING_FINISHED);
  CHECK(r.http_status() == 200);
  CHECK(r.usage().total_tokens() == 63);
  CHECK(!r.usage().estimated());
  CHECK(!r.request_id().empty());
  CHECK(r.total_us() > 0);
}

TEST_CASE_FIXTURE(openai_fixture,
                  "a stream passes event by event, without the usage nobody asked for") {
  serve();
  auto a = chat("mock", true);
  CHECK(a.status == 200);
  CHECK(a.whole);
  CHECK(a.content_type.starts_with("text/event-stream"));
  CHECK(a.done());
  CHECK(a.text().starts_with("the quick "));
  CHECK(a.events().size() == 62); // 60 tokens, the finish, [DONE]
  CHECK(a.body.find("\"usage\"") == std::string::npos);
  auto r = record(0);
  CHECK(r.streamed());
  CHECK(r.ending() == v1::ENDING_FINISHED);
  CHECK(r.usage().prompt_tokens() == 3);
  CHECK(r.usage().completion_tokens() == 60);
  CHECK(!r.usage().estimated());
}

TEST_CASE_FIXTURE(openai_fixture, "a client that asks for the usage of its stream gets it") {
  serve();
  auto a = chat("mock", true, ",\"stream_options\":{\"include_usage\":true}");
  auto events = a.events();
  REQUIRE(events.size() == 63);
  auto usage = json::parse(events[61]);
  CHECK(usage["choices"].empty());
  CHECK(usage["usage"]["completion_tokens"] == 60);
  CHECK(events[62] == "[DONE]");
}

TEST_CASE_FIXTURE(openai_fixture, "a model goes out under its upstream's name") {
  serve();
  CHECK(chat("mapped", false).json()["model"] == "their-name");
  auto r = record(0);
  CHECK(r.model() == "mapped");
  CHECK(r.upstream_model() == "their-name");
}

TEST_CASE_FIXTURE(openai_fixture, "completions and embeddings are served too") {
  serve();
  auto a = post("/v1/completions", R"({"model":"mock","prompt":"one two","max_tokens":4})");
  CHECK(a.json()["choices"][0]["text"] == "the quick brown fox ");
  CHECK(a.json()["choices"][0]["finish_reason"] == "length");
  CHECK(record(0).operation() == "completion");
  CHECK(record(0).usage().completion_tokens() == 4);
  a = post("/v1/completions",
           R"({"model":"mock","prompt":"one two","max_tokens":4,"stream":true})");
  CHECK(a.text() == "the quick brown fox ");
  CHECK(a.done());
  CHECK(record(1).usage().completion_tokens() == 4);
  a = post("/v1/embeddings", R"({"model":"mock","input":["one two","three"]})");
  CHECK(a.json()["data"].size() == 2);
  CHECK(record(2).operation() == "embedding");
  CHECK(record(2).usage().prompt_tokens() == 3);
  CHECK(!record(2).usage().estimated());
}

TEST_CASE_FIXTURE(openai_fixture, "models are listed, and one is shown by its name") {
  routes["org/name"] = route_to({{"main", "x"}});
  serve();
  auto list = get("/v1/models").json();
  CHECK(list["object"] == "list");
  CHECK(list["data"].size() == routes.size());
  CHECK(get("/v1/models/mock").json()["id"] == "mock");
  CHECK(get("/v1/models/org/name").json()["id"] == "org/name");
  CHECK(get("/v1/models/org%2Fname").json()["id"] == "org/name");
  auto missing = get("/v1/models/mocc");
  CHECK(missing.status == 404);
  CHECK(missing.json()["error"]["code"] == "model_not_found");
  CHECK(get("/v1/models", "sk-bad").status == 401);
}

TEST_CASE_FIXTURE(openai_fixture, "without a good key nothing is served, and nothing recorded") {
  serve();
  for (std::string key : {"", "sk-bad", "sk-good2"}) {
    auto a = post("/v1/chat/completions", chat_body("mock", false), key);
    CHECK(a.status == 401);
    CHECK(a.json()["error"]["code"] == "invalid_api_key");
    CHECK(a.json()["error"]["type"] == "authentication_error");
    CHECK(a.body.find("sk-good2") == std::string::npos);
  }
  auto a = post("/v1/chat/completions", chat_body("mock", false), "sk-other");
  CHECK(a.status == 403);
  CHECK(mock_stats()["requests"] == 0);
  CHECK(log->all_records().empty());
}

TEST_CASE_FIXTURE(openai_fixture, "bodies that make no sense are refused in OpenAI's shape") {
  serve();
  for (std::string body : {"", "{", "[]", "model=mock", "{\"model\":1}", "{\"messages\":[]}",
                           "{\"model\":\"mock\",\"stream\":\"yes\"}"}) {
    CAPTURE(body);
    auto a = post("/v1/chat/completions", body);
    CHECK(a.status == 400);
    CHECK(a.json()["error"]["type"] == "invalid_request_error");
    CHECK(!a.json()["error"]["message"].get<std::string>().empty());
  }
  auto deep = post("/v1/chat/completions", "{\"model\":\"mock\",\"a\":" + std::string(5'000, '[')
                                               + std::string(5'000, ']') + "}");
  CHECK(deep.status == 400);
  CHECK(mock_stats()["requests"] == 0);
}

TEST_CASE_FIXTURE(openai_fixture, "an unknown model is a 404 that names those that are close") {
  serve();
  auto a = chat("mokc", false);
  CHECK(a.status == 404);
  CHECK(a.json()["error"]["code"] == "model_not_found");
  CHECK(a.json()["error"]["message"].get<std::string>().find("mock") != std::string::npos);
}

TEST_CASE_FIXTURE(openai_fixture, "the request's other fields reach the upstream as they were") {
  std::string seen;
  script_server upstream{[&](peer& one) {
    auto request = one.read_request();
    seen = request.substr(request.find("\r\n\r\n") + 4);
    one.answer(200, "{\"choices\":[],\"usage\":{\"prompt_tokens\":1}}");
  }};
  serve({}, [&](auto& sections) { sections[0].base_url = upstream.url(); });
  std::string body = R"({ "tools":[{"type":"function"}] , "model" : "mapped",  "logprobs":true,
  "seed":1.0e2, "response_format":{"type":"json_schema"},"unknown":"\u00e9\/" })";
  CHECK(post("/v1/chat/completions", body).status == 200);
  auto expected = body;
  expected.replace(expected.find("mapped"), 6, "their-name");
  CHECK(seen == expected);
}

TEST_CASE_FIXTURE(openai_fixture, "a client that leaves closes its upstream within 100 ms") {
  mock_options slow;
  slow.tokens_per_s = 100;
  slow.tokens = 10'000;
  serve(slow);
  asio::io_context io;
  asio::ip::tcp::socket client{io};
  client.connect({asio::ip::address_v4::loopback(), troupe->server->port()});
  auto body = chat_body("mock", true);
  asio::write(client,
              asio::buffer("POST /v1/chat/completions HTTP/1.1\r\nHost: x\r\nAuthorization: "
                           "Bearer sk-good\r\nContent-Length: "
                           + std::to_string(body.size()) + "\r\n\r\n" + body));
  std::string got;
  char buffer[4096];
  while (got.find("brown") == std::string::npos) {
    auto bytes = client.read_some(asio::buffer(buffer));
    got.append(buffer, bytes);
  }
  auto left_us = system_clock()->now_us();
  client.close();
  json stats;
  REQUIRE(eventually([&] {
    stats = mock_stats();
    return stats["aborted"] == 1;
  }));
  CHECK(stats["aborts"][0]["at_us"].get<std::int64_t>() - left_us < slowed * 100'000);
  auto r = record(0);
  CHECK(r.ending() == v1::ENDING_CLIENT_LEFT);
  CHECK(r.usage().estimated());
  // 3 words, and what a chat's template adds.
  CHECK(r.usage().prompt_tokens() == 9);
  auto sent = stats["aborts"][0]["tokens_sent"].get<std::int64_t>();
  CHECK(r.usage().completion_tokens() >= 3);
  CHECK(r.usage().completion_tokens() <= sent);
}

TEST_CASE_FIXTURE(openai_fixture, "a client that leaves before the first byte pays nothing") {
  serve();
  asio::io_context io;
  asio::ip::tcp::socket client{io};
  client.connect({asio::ip::address_v4::loopback(), troupe->server->port()});
  auto body = chat_body("fault-silent", true);
  asio::write(client,
              asio::buffer("POST /v1/chat/completions HTTP/1.1\r\nHost: x\r\nAuthorization: "
                           "Bearer sk-good\r\nContent-Length: "
                           + std::to_string(body.size()) + "\r\n\r\n" + body));
  REQUIRE(eventually([&] { return mock_stats()["requests"] == 1; }));
  client.close();
  REQUIRE(eventually([&] { return mock_stats()["aborted"] == 1; }));
  auto r = record(0);
  CHECK(r.ending() == v1::ENDING_CLIENT_LEFT);
  CHECK(r.usage().total_tokens() == 0);
}

TEST_CASE_FIXTURE(openai_fixture,
                  "a slow reader slows the upstream down instead of filling memory") {
  mock_options long_answer;
  long_answer.tokens = 400'000; // some 80 MB of events
  serve(long_answer);
  asio::io_context io;
  asio::ip::tcp::socket client{io};
  client.open(asio::ip::tcp::v4());
  client.set_option(asio::socket_base::receive_buffer_size{4'096});
  client.connect({asio::ip::address_v4::loopback(), troupe->server->port()});
  auto body = chat_body("mock", true);
  asio::write(client,
              asio::buffer("POST /v1/chat/completions HTTP/1.1\r\nHost: x\r\nAuthorization: "
                           "Bearer sk-good\r\nContent-Length: "
                           + std::to_string(body.size()) + "\r\n\r\n" + body));
  // Nothing moves any more once all buffers on the way are full.
  std::uint64_t before = 0;
  REQUIRE(eventually([&] {
    auto now = troupe->probe.bytes_out.load();
    bool still = now != 0 && now == before;
    before = now;
    std::this_thread::sleep_for(300ms);
    return still;
  }));
  CHECK(mock->probe.bytes_out.load() < 20'000'000);
}

TEST_CASE_FIXTURE(openai_fixture, "a hundred at once are all answered and all recorded") {
  serve();
  std::vector<std::thread> clients;
  std::atomic<int> good{0};
  for (int i = 0; i < 20; ++i)
    clients.emplace_back([&, i] {
      for (int j = 0; j < 5; ++j) {
        auto a = chat("mock", (i + j) % 2 == 0);
        good += a.status == 200 && a.whole ? 1 : 0;
      }
    });
  for (auto& c : clients)
    c.join();
  CHECK(good == 100);
  CHECK(eventually([&] { return log->all_records().size() == 100; }));
  std::int64_t tokens = 0;
  for (const auto& r : log->all_records())
    tokens += r.usage().completion_tokens();
  CHECK(tokens == mock_stats()["completion_tokens"]);
}

TEST_CASE_FIXTURE(openai_fixture, "keys and routes are asked for once, until they hold no more") {
  serve();
  auto answered = [&] { return chat("mock", false).status == 200; };
  CHECK(answered());
  CHECK(kept.principals == 0);
  CHECK(kept.routes == 0);
  CHECK(answered());
  CHECK(kept.principals == 1);
  CHECK(kept.routes == 1);
  CHECK(chat("mapped", false).status == 200); // another route, the same key
  CHECK(kept.principals == 2);
  CHECK(kept.routes == 1);
  CHECK(post("/v1/embeddings", R"({"model":"mock","input":"x"})").status == 200);
  CHECK(kept.routes == 1); // another operation

  keys_fresh->change(true);
  CHECK(answered());
  CHECK(kept.principals == 3); // of the embedding; the key was asked for anew
  routes_fresh->change(false);
  auto routes_kept = kept.routes.load();
  CHECK(answered());
  CHECK(answered());
  CHECK(kept.routes == routes_kept);
  routes_fresh->change(true);
  CHECK(answered());
  CHECK(answered());
  CHECK(kept.routes == routes_kept + 1);
}

TEST_CASE_FIXTURE(openai_fixture,
                  "a key that is no good is never kept, nor mistaken for one that is") {
  serve();
  for (int i = 0; i < 2; ++i) {
    CHECK(chat("mock", false).status == 200);
    CHECK(post("/v1/chat/completions", chat_body("mock", false), "sk-wrong").status == 401);
    CHECK(post("/v1/chat/completions", chat_body("mock", false), "sk-other").status == 403);
    CHECK(post("/v1/chat/completions", chat_body("mock", false), "").status == 401);
  }
  CHECK(kept.principals == 1);
  CHECK(log->records.size() == 2);
}
