// The connections to upstreams: reuse, limits, cancellation, and what comes over them.
#include "tests/support/pace.hpp"
#include "tests/support/upstream_fixture.hpp"

#include <doctest/doctest.h>

using namespace troupe;
using namespace troupe::gateway;
using namespace troupe::test;
using namespace std::chrono_literals;

namespace {

const auto to_main = route_to({{"main", "their-model"}});

std::string stream_head() {
  return "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n";
}

std::string chunk(const std::string& text) {
  char size[16];
  std::snprintf(size, sizeof size, "%zx\r\n", text.size());
  return size + text + "\r\n";
}

} // namespace

TEST_CASE_FIXTURE(upstream_fixture, "a request goes out whole, and its connection is used again") {
  std::vector<std::string> requests;
  script_server server{[&](peer& one) {
    for (int i = 0; i < 3; ++i) {
      requests.push_back(one.read_request());
      one.answer(200, "{\"n\":" + std::to_string(i) + "}");
    }
    one.read_request();
  }};
  auto s = section("main", server.url());
  s.api_key = "sk-secret";
  serve({s});
  for (int i = 0; i < 3; ++i) {
    auto r = call(to_main, "{\"model\":\"MODEL\"}");
    CHECK(r.status == 200);
    CHECK(r.body == "{\"n\":" + std::to_string(i) + "}");
    CHECK(r.deployment == "main");
    CHECK(r.model == "their-model");
  }
  CHECK(server.accepted() == 1);
  const auto& request = requests.at(2);
  CHECK(request.starts_with("POST /v1/chat/completions HTTP/1.1\r\n"));
  for (auto line : {"Host: 127.0.0.1:", "Authorization: Bearer sk-secret\r\n",
                    "Content-Type: application/json\r\n", "Content-Length: 23\r\n",
                    "X-Request-Id: request-1\r\n", "\r\n\r\n{\"model\":\"their-model\"}"})
    CHECK(request.find(line) != std::string::npos);
  CHECK(eventually([&] { return log->all_outcomes().size() == 3; }));
  CHECK(log->all_outcomes()[0]->ok());
  CHECK(log->all_outcomes()[0]->deployment() == "main");
  upstreams::counts counts;
  on_shard([&] { counts = calls->count("main"); });
  CHECK(counts.open == 1);
  CHECK(counts.idle == 1);
}

TEST_CASE_FIXTURE(upstream_fixture, "a connection that ended while idle is replaced unnoticed") {
  script_server server{[](peer& one) {
    one.read_request();
    one.answer(200, "{}");
    if (one.number() == 2)
      one.reset(); // just after its answer
  }};
  serve({section("main", server.url())});
  for (int i = 0; i < 5; ++i)
    CHECK(call(to_main).status == 200);
  CHECK(server.accepted() == 5);
  CHECK(eventually([&] { return log->all_outcomes().size() == 5; }));
  for (const auto& outcome : log->all_outcomes())
    CHECK(outcome->ok());
}

TEST_CASE_FIXTURE(upstream_fixture, "answers are read in every framing, and only whole ones") {
  struct framing {
    std::string bytes;
    int status;
    std::string body;
    ec read_error;
  };
  std::vector<framing> framings{
      {"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}", 200, "{}", ec::none},
      {"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\n{\r\n1;x=y\r\n}\r\n0\r\n\r\n",
       200, "{}", ec::none},
      {"HTTP/1.0 200 OK\r\n\r\n{}", 200, "{}", ec::none},
      {"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early\r\nLink: x\r\n\r\n"
       "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}",
       200, "{}", ec::none},
      {"HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\n{}", 200, "{}", ec::upstream_broken},
      {"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n", 200, "{}",
       ec::upstream_broken},
      {"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", 200, "", ec::none},
  };
  script_server server{[&](peer& one) {
    one.read_request();
    one.write(framings.at(static_cast<std::size_t>(one.number()) - 1).bytes);
  }};
  serve({section("main", server.url())});
  for (const auto& f : framings) {
    CAPTURE(f.bytes);
    auto r = call(to_main);
    CHECK(r.status == f.status);
    CHECK(r.body == f.body);
    CHECK(r.read_error == f.read_error);
  }
}

TEST_CASE_FIXTURE(upstream_fixture, "what is no HTTP, and heads without end, are refused") {
  std::vector<std::string> answers{
      "SSH-2.0-OpenSSH\r\n\r\n", "HTTP/1.1 200 OK\r\nX: " + std::string(70'000, 'x') + "\r\n\r\n",
      "HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n{}",
      "HTTP/1.1 101 Switching\r\n\r\n", "HTTP/1.1 2"};
  script_server server{[&](peer& one) {
    one.read_request();
    one.write(answers.at(static_cast<std::size_t>(one.number() - 1) / 2));
  }};
  serve({section("main", server.url())});
  for (const auto& bytes : answers) {
    CAPTURE(bytes.substr(0, 40));
    auto r = call(to_main);
    CHECK(r.status == 0);
    CHECK(r.error == ec::upstream_unavailable);
    CHECK(r.text.find("main") != std::string::npos);
  }
}

TEST_CASE_FIXTURE(upstream_fixture, "a stream comes piece by piece as it is sent") {
  std::promise<void> first_read;
  script_server server{[&](peer& one) {
    one.read_request();
    one.write(stream_head() + chunk("data: one\n\n"));
    first_read.get_future().wait_for(10s);
    one.write(chunk("data: two\n\n") + "0\r\n\r\n");
  }};
  serve({section("main", server.url())});
  auto text =
      run([](upstream_fixture& f, std::promise<void>& read) -> asio::awaitable<std::string> {
        cancellation stop;
        upstream_call request;
        request.path = "/x";
        auto answer = co_await f.calls->call(to_main, std::move(request), stop);
        if (!answer)
          co_return describe(answer.error());
        auto piece = co_await (*answer)->read();
        std::string all{*piece};
        read.set_value();
        piece = co_await (*answer)->read();
        all += *piece;
        co_return all;
      }(*this, first_read));
  CHECK(text == "data: one\n\ndata: two\n\n");
}

TEST_CASE_FIXTURE(upstream_fixture, "a cancelled call closes its connection within 100 ms") {
  std::atomic<bool> streaming{false};
  std::atomic<bool> closed{false};
  SUBCASE("in the middle of a stream") {
    script_server server{[&](peer& one) {
      one.read_request();
      one.write(stream_head() + chunk("data: one\n\n"));
      streaming = true;
      closed = one.wait_closed(10s);
    }};
    serve({section("main", server.url())});
    auto stop = std::make_shared<cancellation>();
    auto r = begin(to_main, stop);
    REQUIRE(eventually([&] { return streaming.load(); }));
    auto began = std::chrono::steady_clock::now();
    on_shard([&] { stop->cancel(); });
    REQUIRE(eventually([&] { return closed.load(); }));
    CHECK(std::chrono::steady_clock::now() - began < slowed * 100ms);
    auto result = r.get();
    CHECK((result.read_error == ec::cancelled || result.error == ec::cancelled));
  }
  SUBCASE("before an answer") {
    script_server server{[&](peer& one) {
      one.read_request();
      streaming = true;
      closed = one.wait_closed(10s);
    }};
    serve({section("main", server.url())});
    auto stop = std::make_shared<cancellation>();
    auto r = begin(to_main, stop);
    REQUIRE(eventually([&] { return streaming.load(); }));
    auto began = std::chrono::steady_clock::now();
    on_shard([&] { stop->cancel(); });
    REQUIRE(eventually([&] { return closed.load(); }));
    CHECK(std::chrono::steady_clock::now() - began < slowed * 100ms);
    CHECK(r.get().error == ec::cancelled);
  }
  upstreams::counts counts;
  CHECK(eventually([&] {
    on_shard([&] { counts = calls->count("main"); });
    return counts.open == 0;
  }));
}

TEST_CASE_FIXTURE(upstream_fixture, "connections are bounded, and so are those who wait for one") {
  std::atomic<int> asked{0};
  std::promise<void> go;
  auto released = go.get_future().share();
  script_server server{[&](peer& one) {
    while (!one.read_request().empty()) {
      ++asked;
      released.wait_for(10s);
      one.answer(200, "{}");
    }
  }};
  auto s = section("main", server.url());
  s.connections_max = 1;
  serve({s});
  auto stop = std::make_shared<cancellation>();
  auto first = begin(to_main, std::make_shared<cancellation>());
  REQUIRE(eventually([&] { return asked == 1; }));
  auto second = begin(to_main, std::make_shared<cancellation>());
  upstreams::counts counts;
  REQUIRE(eventually([&] {
    on_shard([&] { counts = calls->count("main"); });
    return counts.waiting == 1;
  }));
  CHECK(counts.open == 1);
  auto refused = call(to_main);
  CHECK(refused.error == ec::overloaded);
  go.set_value();
  CHECK(first.get().status == 200);
  CHECK(second.get().status == 200);
  CHECK(server.accepted() == 1);
}

TEST_CASE_FIXTURE(upstream_fixture, "each limit of time ends a call") {
  script_server silent{[](peer& one) { one.wait_closed(10s); }};
  script_server stalls{[](peer& one) {
    one.read_request();
    one.write(stream_head() + chunk("data: one\n\n"));
    one.wait_closed(10s);
  }};
  script_server drips{[](peer& one) {
    one.read_request();
    one.write(stream_head());
    while (!one.wait_closed(10ms))
      one.write(chunk("data: one\n\n"));
  }};
  auto first_byte = section("first_byte", silent.url());
  first_byte.first_byte_limit_ms = 100;
  auto idle = section("idle", stalls.url());
  idle.idle_limit_ms = 100;
  auto total = section("total", drips.url());
  total.total_limit_ms = 200;
  serve({first_byte, idle, total});
  auto r = call(route_to({{"first_byte", "m"}}));
  CHECK(r.error == ec::upstream_timeout);
  CHECK(r.took < 2s);
  CHECK(silent.accepted() == 1); // a silent route is not tried again
  r = call(route_to({{"idle", "m"}}));
  CHECK(r.status == 200);
  CHECK(r.body == "data: one\n\n");
  CHECK(r.read_error == ec::upstream_timeout);
  r = call(route_to({{"total", "m"}}));
  CHECK(r.status == 200);
  CHECK(r.read_error == ec::upstream_timeout);
  CHECK(r.took < 2s);
}

TEST_CASE_FIXTURE(upstream_fixture, "a body larger than the socket takes goes out whole") {
  std::string body = "{\"a\":\"" + std::string(8'000'000, 'x') + "\"}";
  std::size_t received = 0;
  script_server server{[&](peer& one) {
    received = one.read_request().size();
    one.answer(200, "{}");
  }};
  serve({section("main", server.url())});
  CHECK(call(to_main, body).status == 200);
  CHECK(received > body.size());
}

TEST_CASE_FIXTURE(upstream_fixture, "an upstream that refuses before it has read all is heard") {
  script_server server{[](peer& one) {
    one.read_some();
    one.answer(413, "{\"error\":{\"message\":\"too long\"}}", "Connection: close\r\n");
    one.wait_closed(2s);
  }};
  serve({section("main", server.url())});
  auto r = call(to_main, std::string(8'000'000, 'x'));
  CHECK(r.status == 413);
  CHECK(r.body.find("too long") != std::string::npos);
}

TEST_CASE_FIXTURE(upstream_fixture, "a private address is refused unless that is configured") {
  script_server server{[](peer& one) { one.answer(200, "{}"); }};
  auto s = section("main", server.url());
  s.allow_private = false;
  auto odd = section("odd", "http://127.1:" + std::to_string(server.port()));
  serve({s, odd});
  auto r = call(to_main);
  CHECK(r.error == ec::upstream_unavailable);
  CHECK(r.text.find("allow_private") != std::string::npos);
  r = call(route_to({{"odd", "m"}}));
  CHECK(r.error == ec::upstream_unavailable);
  CHECK(r.text.find("usual form") != std::string::npos);
  CHECK(server.accepted() == 0);
}

TEST_CASE_FIXTURE(upstream_fixture, "the address that was checked is the one connected to") {
  script_server server{[](peer& one) {
    one.read_request();
    one.answer(200, "{}", "Connection: close\r\n");
  }};
  // The second look-up gives a private address: a rebinding name.
  std::atomic<int> look_ups{0};
  resolver_options options;
  options.found_for = 0ms;
  auto dns = std::make_shared<resolver>(options, [&](const std::string& host) {
    CHECK(host == "api.example");
    ++look_ups;
    return caf::expected<address_list>{address_list{asio::ip::make_address("127.0.0.1")}};
  });
  auto s = section("main", "http://api.example:" + std::to_string(server.port()));
  auto strict = s;
  strict.name = "strict";
  strict.allow_private = false;
  serve({s, strict}, dns);
  CHECK(call(to_main).status == 200);
  CHECK(look_ups == 1);
  CHECK(call(route_to({{"strict", "m"}})).error == ec::upstream_unavailable);
  CHECK(server.accepted() == 1);
}

TEST_CASE_FIXTURE(upstream_fixture, "a look-up that hangs ends with the connect limit") {
  std::promise<void> go;
  auto released = go.get_future().share();
  auto dns = std::make_shared<resolver>(resolver_options{}, [released](const std::string&) {
    released.wait_for(10s);
    return caf::expected<address_list>{address_list{}};
  });
  auto s = section("main", "http://api.example");
  s.connect_limit_ms = 100;
  serve({s}, dns);
  auto r = call(to_main);
  CHECK(r.error == ec::upstream_timeout);
  CHECK(r.took < 2s);
  go.set_value();
}

TEST_CASE_FIXTURE(upstream_fixture, "a key never shows in an answer, whatever the upstream says") {
  script_server server{[](peer& one) {
    for (;;) {
      auto request = one.read_request();
      if (request.empty())
        return;
      auto at = request.find("Bearer ") + 7;
      auto key = request.substr(at, request.find('\r', at) - at);
      auto status = request.find("m400") != std::string::npos ? 400 : 401;
      one.answer(status, "{\"error\":{\"message\":\"Incorrect API key: " + key + "\"}}");
    }
  }};
  auto s = section("main", server.url());
  s.api_key = "sk-very-secret";
  serve({s});
  auto r = call(to_main, "{\"model\":\"MODEL\"}");
  CHECK(r.error == ec::upstream_unavailable);
  CHECK(r.text.find("api_key") != std::string::npos);
  CHECK(r.text.find("sk-very-secret") == std::string::npos);
  r = call(route_to({{"main", "m400"}}), "{\"model\":\"MODEL\"}");
  CHECK(r.status == 400);
  CHECK(r.body.find("Incorrect") != std::string::npos);
  CHECK(r.body.find("sk-very-secret") == std::string::npos);
}

TEST_CASE_FIXTURE(upstream_fixture,
                  "an upstream whose configuration is wrong says so in its calls") {
  auto s = section("main", "https://api.example.com");
  s.api_key = "env:TROUPE_NO_SUCH_VARIABLE";
  serve({s});
  auto r = call(to_main);
  CHECK(r.error == ec::upstream_unavailable);
  CHECK(r.text.find("TROUPE_NO_SUCH_VARIABLE") != std::string::npos);
  r = call(route_to({{"nobody", "m"}}));
  CHECK(r.error == ec::upstream_unavailable);
  r = call(v1::Route{});
  CHECK(r.error == ec::upstream_unavailable);
}

TEST_CASE_FIXTURE(upstream_fixture,
                  "running calls end as they began when the configuration changes") {
  std::promise<void> go;
  auto released = go.get_future().share();
  std::atomic<int> asked{0};
  script_server server{[&](peer& one) {
    one.read_request();
    ++asked;
    released.wait_for(10s);
    one.answer(200, "{}");
  }};
  serve({section("main", server.url())});
  auto running = begin(to_main, std::make_shared<cancellation>());
  REQUIRE(eventually([&] { return asked == 1; }));
  on_shard([&] { calls->update({section("other", server.url())}); });
  CHECK(call(to_main).error == ec::upstream_unavailable);
  go.set_value();
  CHECK(running.get().status == 200);
}
