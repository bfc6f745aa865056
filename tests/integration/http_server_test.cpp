// The public HTTP server over real sockets.
#include "tests/support/server_fixture.hpp"

#include <doctest/doctest.h>
#include <nlohmann/json.hpp>

using namespace troupe;
using namespace troupe::test;
using namespace std::chrono_literals;
using nlohmann::json;

TEST_CASE_FIXTURE(server_fixture, "requests of one connection are answered one after the other") {
  REQUIRE(start());
  auto c = client();
  for (int i = 0; i < 3; ++i) {
    auto a = c.ask("GET /hello HTTP/1.1\r\nHost: test\r\n\r\n");
    CHECK(a.status == 200);
    CHECK(a.body == "hello");
    CHECK(a.field("content-type") == "text/plain");
    CHECK(a.field("x-request-id").size() == 36);
    CHECK(!a.field("date").empty());
  }
  CHECK(probe.connections == 1);
  c.close();
  CHECK(eventually([&] { return probe.connections == 0; }));
  CHECK(probe.connections_total == 1);
  CHECK(probe.requests_total == 3);
  CHECK(probe.requests_running == 0);
  CHECK(probe.route("/hello").by_class[2] == 3);
  CHECK(probe.route("/hello").latency.total() == 3);
}

TEST_CASE_FIXTURE(server_fixture, "a handler is told the parts of its request, decoded") {
  REQUIRE(start());
  auto told = json::parse(get("/items/a%2Fb%20c?q=x%26y+z&q=2", "X-Test:  v v \r\n").body);
  CHECK(told["method"] == "GET");
  CHECK(told["path"] == "/items/a/b c");
  CHECK(told["id"] == "a/b c");
  CHECK(told["q"] == "x&y z");
  CHECK(told["header"] == "v v");
  CHECK(told["remote"] == "127.0.0.1");
  CHECK(json::parse(get("/files/a/b/c.txt").body)["rest"] == "a/b/c.txt");
  CHECK(json::parse(get("/files/").body)["rest"] == "");
}

TEST_CASE_FIXTURE(server_fixture, "trace context goes on, and request ids are ours") {
  config.trusted_proxies = {"127.0.0.1"};
  REQUIRE(start());
  std::string trace = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
  std::string id = "0190163d-8694-739b-aea5-966c26f8ad91";
  auto headers = "traceparent: " + trace + "\r\nX-Request-Id: " + id
                 + "\r\nX-Forwarded-For: 198.51.100.9, 203.0.113.7\r\n";
  auto told = json::parse(get("/items/1", headers).body);
  auto child = told["traceparent"].get<std::string>();
  CHECK(child.substr(0, 36) == trace.substr(0, 36));
  CHECK(child != trace);
  CHECK(told["request_id"] == id);
  CHECK(told["remote"] == "203.0.113.7");
}

TEST_CASE_FIXTURE(server_fixture, "nobody but a trusted proxy chooses request ids or addresses") {
  REQUIRE(start());
  std::string id = "0190163d-8694-739b-aea5-966c26f8ad91";
  auto told = json::parse(
      get("/items/1", "X-Request-Id: " + id + "\r\nX-Forwarded-For: 203.0.113.7\r\n").body);
  CHECK(told["request_id"] != id);
  CHECK(told["remote"] == "127.0.0.1");
}

TEST_CASE_FIXTURE(server_fixture, "bodies come by length and in chunks, also in pieces") {
  REQUIRE(start());
  auto c = client();
  CHECK(c.ask("POST /echo HTTP/1.1\r\nHost: t\r\nContent-Length: 5\r\n\r\n12345").body == "12345");
  c.send("POST /echo HTTP/1.1\r\nHost: t\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n");
  c.send("10;x=y\r\n0123456789abcdef\r\n0\r\nTrailer: x\r\n\r\n");
  CHECK(c.answer().body == "abc0123456789abcdef");
  std::string request = "POST /echo HTTP/1.1\r\nHost: t\r\nTransfer-Encoding: chunked\r\n\r\n"
                        "4\r\nwxyz\r\n0\r\n\r\n";
  for (char byte : request)
    c.send({&byte, 1});
  CHECK(c.answer().body == "wxyz");
  std::string big(3'000'000, 'b');
  c.send("POST /echo HTTP/1.1\r\nHost: t\r\nContent-Length: 3000000\r\n\r\n");
  std::thread sender{[&] { c.send(big); }};
  sender.join();
  CHECK(c.answer().body == big);
}

TEST_CASE_FIXTURE(server_fixture, "pipelined requests are answered in their order") {
  REQUIRE(start());
  auto c = client();
  std::string all;
  for (int i = 0; i < 20; ++i)
    all += "GET /items/" + std::to_string(i) + " HTTP/1.1\r\nHost: t\r\n\r\n";
  c.send(all + "POST /echo HTTP/1.1\r\nHost: t\r\nContent-Length: 4\r\n\r\nlast");
  for (int i = 0; i < 20; ++i)
    CHECK(json::parse(c.answer().body)["id"] == std::to_string(i));
  CHECK(c.answer().body == "last");
}

TEST_CASE_FIXTURE(server_fixture, "HEAD is served by GET without its body") {
  REQUIRE(start());
  auto c = client();
  c.send("HEAD /hello HTTP/1.1\r\nHost: t\r\n\r\n");
  auto a = c.answer(5s, true);
  CHECK(a.status == 200);
  CHECK(a.field("content-length") == "5");
  c.send("HEAD /pieces HTTP/1.1\r\nHost: t\r\n\r\n");
  CHECK(c.answer(5s, true).status == 200);
  CHECK(c.ask("GET /hello HTTP/1.1\r\nHost: t\r\n\r\n").body == "hello");
}

TEST_CASE_FIXTURE(server_fixture, "wrong methods and paths are told apart") {
  REQUIRE(start());
  auto c = client();
  auto a = c.ask("DELETE /items/1 HTTP/1.1\r\nHost: t\r\n\r\n");
  CHECK(a.status == 405);
  CHECK(a.field("allow") == "GET, HEAD, OPTIONS, POST");
  CHECK(c.ask("OPTIONS /items/1 HTTP/1.1\r\nHost: t\r\n\r\n").status == 204);
  auto none = c.ask("GET /nothing HTTP/1.1\r\nHost: t\r\n\r\n");
  CHECK(none.status == 404);
  CHECK(json::parse(none.body)["error"]["code"] == "not_found");
  CHECK(json::parse(none.body)["error"]["request_id"] == none.field("x-request-id"));
  auto openai = json::parse(c.ask("GET /openai/nothing HTTP/1.1\r\nHost: t\r\n\r\n").body);
  CHECK(openai["error"]["type"] == "invalid_request_error");
  CHECK(openai["error"]["param"].is_null());
}

TEST_CASE_FIXTURE(server_fixture, "a handler that throws or says nothing is a 500 in its shape") {
  REQUIRE(start());
  auto c = client();
  for (const char* path : {"/throw", "/silent"}) {
    auto a = c.ask("GET " + std::string{path} + " HTTP/1.1\r\nHost: t\r\n\r\n");
    CHECK(a.status == 500);
    CHECK(json::parse(a.body)["error"]["code"] == "internal_error");
    CHECK(a.body.find("on purpose") == std::string::npos);
  }
  auto a = json::parse(c.ask("GET /openai/throw HTTP/1.1\r\nHost: t\r\n\r\n").body);
  CHECK(a["error"]["type"] == "server_error");
  CHECK(probe.handlers_failed == 3);
  CHECK(c.ask("GET /hello HTTP/1.1\r\nHost: t\r\n\r\n").status == 200);
}

TEST_CASE_FIXTURE(server_fixture, "errors have their status, shape and Retry-After") {
  REQUIRE(start());
  auto a = get("/refuse");
  CHECK(a.status == 503);
  CHECK(a.field("retry-after") == "1");
  auto body = json::parse(a.body);
  CHECK(body["error"]["code"] == "overloaded");
  CHECK(body["error"]["message"] == "come back later");
  auto openai = json::parse(get("/openai/refuse").body);
  CHECK(openai["error"]["type"] == "server_error");
  CHECK(openai["error"]["message"] == "come back later");
  CHECK(!openai["error"].contains("request_id"));
}

TEST_CASE_FIXTURE(server_fixture, "a body over its limit is refused before it is sent") {
  config.body_bytes_max = 1'000;
  REQUIRE(start());
  auto a = client().ask("POST /echo HTTP/1.1\r\nHost: t\r\nContent-Length: 1001\r\n\r\n");
  CHECK(a.status == 413);
  CHECK(a.body.find("at most 1000 bytes") != std::string::npos);
  CHECK(a.field("connection") == "close");
  CHECK(client().ask("POST /small HTTP/1.1\r\nHost: t\r\nContent-Length: 17\r\n\r\n").status
        == 413);
  CHECK(client()
            .ask("POST /small HTTP/1.1\r\nHost: t\r\nTransfer-Encoding: chunked\r\n\r\n"
                 "11\r\n01234567890123456\r\n0\r\n\r\n")
            .status
        == 413);
  CHECK(client()
            .ask("POST /small HTTP/1.1\r\nHost: t\r\nContent-Length: 16\r\n\r\n0123456789abcdef")
            .status
        == 200);
  CHECK(probe.refused[static_cast<std::size_t>(gateway::refusal::body_too_large)] == 3);
}

TEST_CASE_FIXTURE(server_fixture, "100 Continue is said only to who may go on") {
  config.body_bytes_max = 100;
  REQUIRE(start());
  auto c = client();
  c.send("POST /echo HTTP/1.1\r\nHost: t\r\nContent-Length: 4\r\nExpect: 100-continue\r\n\r\n");
  CHECK(c.read_until("\r\n\r\n") == "HTTP/1.1 100 Continue\r\n\r\n");
  CHECK(c.ask("body").body == "body");
  auto big = client();
  big.send("POST /echo HTTP/1.1\r\nHost: t\r\nContent-Length: 101\r\nExpect: 100-continue\r\n\r\n");
  CHECK(big.read_until("\r\n").starts_with("HTTP/1.1 413"));
}

TEST_CASE_FIXTURE(server_fixture, "HTTP/1.0 is answered and closed, streams without chunks") {
  REQUIRE(start());
  auto c = client();
  auto a = c.ask("GET /hello HTTP/1.0\r\n\r\n");
  CHECK(a.body == "hello");
  CHECK(a.field("connection") == "close");
  CHECK(c.closes_within(2s));
  auto stream = client().ask("GET /pieces HTTP/1.0\r\n\r\n");
  CHECK(stream.body == "piece0;piece1;piece2;");
  CHECK(stream.field("transfer-encoding").empty());
}

TEST_CASE_FIXTURE(server_fixture, "Connection: close is kept") {
  REQUIRE(start());
  auto c = client();
  auto a = c.ask("GET /hello HTTP/1.1\r\nHost: t\r\nConnection: foo, close\r\n\r\n");
  CHECK(a.body == "hello");
  CHECK(a.field("connection") == "close");
  CHECK(c.closes_within(2s));
}

TEST_CASE_FIXTURE(server_fixture, "an idle connection is closed after its time, a busy one not") {
  config.idle_limit_ms = 300;
  config.header_limit_ms = 300;
  REQUIRE(start());
  auto never = client();
  auto once = client();
  CHECK(once.ask("GET /hello HTTP/1.1\r\nHost: t\r\n\r\n").status == 200);
  auto streaming = client();
  streaming.send("GET /endless HTTP/1.1\r\nHost: t\r\n\r\n");
  CHECK(streaming.read_until("ready").ends_with("ready"));
  CHECK(never.closes_within(3s));
  CHECK(once.closes_within(3s));
  CHECK(!streaming.closes_within(500ms));
}

TEST_CASE_FIXTURE(server_fixture, "a slow header gets 408 at an absolute deadline") {
  config.header_limit_ms = 400;
  REQUIRE(start());
  auto c = client();
  auto begin = std::chrono::steady_clock::now();
  std::string line = "GET /hello HTTP/1.1\r\nHost: t\r\nX-Slow: ";
  c.send(line);
  raw_answer a;
  for (int i = 0; i < 100 && a.status == 0; ++i) {
    c.send("x");
    a = c.answer(30ms);
  }
  auto took = std::chrono::steady_clock::now() - begin;
  CHECK(a.status == 408);
  CHECK(took >= 400ms);
  CHECK(took < 2s);
  CHECK(c.closes_within(4s));
}

TEST_CASE_FIXTURE(server_fixture, "a body below the least rate gets 408, a steady one is served") {
  config.header_limit_ms = 400;
  config.body_rate_min_bytes_per_s = 100;
  REQUIRE(start());
  auto slow = client();
  slow.send("POST /echo HTTP/1.1\r\nHost: t\r\nContent-Length: 1000\r\n\r\n");
  auto begin = std::chrono::steady_clock::now();
  raw_answer a;
  for (int i = 0; i < 100 && a.status == 0; ++i) {
    slow.send("x");
    a = slow.answer(30ms);
  }
  CHECK(a.status == 408);
  CHECK(std::chrono::steady_clock::now() - begin >= 400ms);
  auto steady = client();
  steady.send("POST /echo HTTP/1.1\r\nHost: t\r\nContent-Length: 400\r\n\r\n");
  for (int i = 0; i < 40; ++i) {
    steady.send("0123456789");
    CHECK(steady.read_until("\n", 20ms).empty() == (i < 39));
  }
}

TEST_CASE_FIXTURE(server_fixture, "a connection goes on after a stream of events") {
  REQUIRE(start());
  auto c = client();
  for (int i = 0; i < 2; ++i) {
    auto events = c.ask("GET /events HTTP/1.1\r\nHost: t\r\n\r\n");
    CHECK(events.status == 200);
    CHECK(events.body.find("data: three") != std::string::npos);
    CHECK(c.ask("GET /hello HTTP/1.1\r\nHost: t\r\n\r\n").body == "hello");
  }
  // Pipelined: one stream right behind the other, and a request behind both.
  c.send("GET /events HTTP/1.1\r\nHost: t\r\n\r\nGET /events HTTP/1.1\r\nHost: t\r\n\r\n"
         "GET /hello HTTP/1.1\r\nHost: t\r\n\r\n");
  CHECK(c.answer().body.find("data: three") != std::string::npos);
  CHECK(c.answer().body.find("data: three") != std::string::npos);
  CHECK(c.answer().body == "hello");
  CHECK(eventually([&] { return probe.requests_running == 0; }));
  CHECK(probe.streams_open == 0);
  CHECK(probe.clients_left == 0);
  CHECK(probe.route("/events").by_class[2] == 4);
}

TEST_CASE_FIXTURE(server_fixture, "a stream ends when its client leaves, or the server does") {
  REQUIRE(start());
  auto leaves = client();
  leaves.send("GET /endless HTTP/1.1\r\nHost: t\r\n\r\n");
  CHECK(!leaves.read_until("ready").empty());
  auto stays = client();
  stays.send("GET /endless HTTP/1.1\r\nHost: t\r\n\r\n");
  CHECK(!stays.read_until("ready").empty());
  CHECK(probe.streams_open == 2);
  leaves.close();
  CHECK(eventually([&] { return probe.streams_open == 1 && probe.connections == 1; }));
  CHECK(probe.clients_left == 1);
  server->stop_ingress(0ms);
  CHECK(stays.closes_within(3s));
  CHECK(probe.streams_open == 0);
}

TEST_CASE_FIXTURE(server_fixture, "a source is called when its reader has room, and not lost") {
  config.stream_queue_bytes_max = 262'144;
  REQUIRE(start());
  auto c = client();
  c.send("GET /many HTTP/1.1\r\nHost: t\r\n\r\n");
  auto a = c.answer(20s);
  CHECK(a.status == 200);
  CHECK(a.body.find("data: 1999 ") != std::string::npos);
  CHECK(probe.streams_overflown == 0);
}

TEST_CASE_FIXTURE(server_fixture, "a request over the total limit gets 504 and is cut") {
  config.request_limit_ms = 200;
  REQUIRE(start());
  auto c = client();
  c.send("GET /endless HTTP/1.1\r\nHost: t\r\n\r\n");
  CHECK(c.closes_within(3s));
  CHECK(probe.refused[static_cast<std::size_t>(gateway::refusal::request_too_long)] == 1);
}

TEST_CASE_FIXTURE(server_fixture, "an address with too many connections is refused further ones") {
  config.connections_per_ip_max = 3;
  REQUIRE(start());
  std::vector<raw_client> in;
  for (int i = 0; i < 3; ++i) {
    in.push_back(client());
    CHECK(in.back().ask("GET /hello HTTP/1.1\r\nHost: t\r\n\r\n").status == 200);
  }
  CHECK(client().answer(3s).status == 503);
  in.pop_back();
  CHECK(eventually([&] { return probe.connections == 2; }));
  CHECK(get("/hello").status == 200);
}

TEST_CASE_FIXTURE(server_fixture, "over the total of connections newcomers wait for room") {
  config.connections_max = 2;
  REQUIRE(start());
  auto a = client();
  auto b = client();
  CHECK(a.ask("GET /hello HTTP/1.1\r\nHost: t\r\n\r\n").status == 200);
  CHECK(b.ask("GET /hello HTTP/1.1\r\nHost: t\r\n\r\n").status == 200);
  auto c = client();
  CHECK(c.ask("GET /hello HTTP/1.1\r\nHost: t\r\n\r\n", 200ms).status == 0);
  a.close();
  CHECK(c.answer().status == 200);
}

TEST_CASE_FIXTURE(server_fixture, "CORS answers the configured origins only") {
  config.cors_origins = {"https://chat.example.com"};
  REQUIRE(start());
  auto good = get("/hello", "Origin: https://chat.example.com\r\n");
  CHECK(good.field("access-control-allow-origin") == "https://chat.example.com");
  CHECK(good.field("vary") == "Origin");
  auto bad = get("/hello", "Origin: https://evil.example.com\r\n");
  CHECK(bad.field("access-control-allow-origin").empty());
  auto preflight = client().ask("OPTIONS /echo HTTP/1.1\r\nHost: t\r\n"
                                "Origin: https://chat.example.com\r\n"
                                "Access-Control-Request-Method: POST\r\n"
                                "Access-Control-Request-Headers: authorization\r\n\r\n");
  CHECK(preflight.status == 204);
  CHECK(preflight.field("access-control-allow-methods") == "OPTIONS, POST");
  CHECK(preflight.field("access-control-allow-headers") == "authorization");
}

TEST_CASE_FIXTURE(server_fixture, "an address that cannot be bound is named, with what to do") {
  REQUIRE(start());
  gateway::server second{{config, false}, {&*system, &all_probes}, probe};
  CHECK(second.shards().size() >= 1);
  server_fixture other;
  other.config.listen = server->address();
  CHECK(!other.start());
  CHECK(info(other.refused).code == ec::config_invalid);
  CHECK(describe(other.refused).find(server->address()) != std::string::npos);
  CHECK(describe(other.refused).find("in use") != std::string::npos);
  for (const char* listen : {"nonsense", ":80", "127.0.0.1:", "203.0.113.1:0", "127.0.0.1:99999"}) {
    server_fixture bad;
    bad.config.listen = listen;
    CHECK(!bad.start());
    CHECK(describe(bad.refused).find(listen) != std::string::npos);
  }
}
