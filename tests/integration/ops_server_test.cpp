#include "gateway/ops/ask.hpp"
#include "gateway/ops/ops_server.hpp"
#include "messages/error.hpp"
#include "messages/log.hpp"
#include "messages/system.hpp"

#include <arpa/inet.h>
#include <caf/actor_system.hpp>
#include <caf/event_based_actor.hpp>
#include <doctest/doctest.h>
#include <netinet/in.h>
#include <poll.h>
#include <prometheus/counter.h>
#include <prometheus/registry.h>
#include <sys/socket.h>
#include <unistd.h>

#include <chrono>
#include <condition_variable>
#include <mutex>
#include <thread>

using namespace troupe;
namespace ops = troupe::gateway::ops;
using namespace std::chrono_literals;

namespace {

constexpr auto patience = 20s;

class client {
public:
  explicit client(std::uint16_t port) : fd_(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
    sockaddr_in to{};
    to.sin_family = AF_INET;
    to.sin_port = htons(port);
    to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    REQUIRE(::connect(fd_, reinterpret_cast<sockaddr*>(&to), sizeof(to)) == 0);
  }
  client(client&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}
  ~client() {
    if (fd_ >= 0)
      ::close(fd_);
  }

  /// False once the server has closed.
  bool send(std::string_view bytes) {
    while (!bytes.empty()) {
      auto sent = ::send(fd_, bytes.data(), bytes.size(), MSG_NOSIGNAL);
      if (sent <= 0)
        return false;
      bytes.remove_prefix(static_cast<std::size_t>(sent));
    }
    return true;
  }

  /// All that comes until the server closes.
  std::string receive() {
    std::string all;
    char buffer[65'536];
    pollfd wanted{fd_, POLLIN, 0};
    while (::poll(&wanted, 1, std::chrono::milliseconds{patience}.count()) == 1) {
      auto got = ::recv(fd_, buffer, sizeof(buffer), 0);
      if (got <= 0)
        return all;
      all.append(buffer, static_cast<std::size_t>(got));
    }
    FAIL("the server did not close the connection");
    return all;
  }

private:
  int fd_;
};

struct reply {
  int status = 0;
  std::string head;
  std::string body;
  nlohmann::json json() const { return nlohmann::json::parse(body, nullptr, false); }
  std::string code() const { return json().at("error").at("code"); }
  std::string message() const { return json().at("error").at("message"); }
};

reply parse(const std::string& text) {
  reply r;
  auto end = text.find("\r\n\r\n");
  REQUIRE_MESSAGE(end != std::string::npos, text);
  r.head = text.substr(0, end);
  r.body = text.substr(end + 4);
  r.status = std::stoi(r.head.substr(9, 3));
  return r;
}

struct fixture {
  probes all;
  std::shared_ptr<prometheus::Registry> registry = std::make_shared<prometheus::Registry>();
  ops::hooks node;
  ops::options settings{.port = 0, .token = "sesame", .read_limit_ms = 60'000};
  std::optional<ops::ops_server> server;

  fixture() {
    node.node_status = [] { return nlohmann::json{{"name", "n"}, {"phase", "ready"}}; };
    node.drain = [] { return nlohmann::json{{"phase", "draining"}}; };
    node.reload = [] { return make_error(ec::config_invalid, "t.yaml:1:1: no"); };
    node.config = []() -> ops::answer { throw std::runtime_error("a bug"); };
  }

  void start() {
    server.emplace(settings, node, all,
                   std::vector<std::shared_ptr<prometheus::Collectable>>{registry});
    auto err = server->start();
    REQUIRE_MESSAGE(!err, describe(err));
  }

  reply raw(const std::string& bytes) const {
    client c{server->port()};
    c.send(bytes);
    return parse(c.receive());
  }

  reply ask(const std::string& method, const std::string& target, const std::string& body = {},
            const std::string& fields = "Authorization: Bearer sesame\r\n") const {
    return raw(method + " " + target + " HTTP/1.1\r\nHost: localhost\r\nContent-Length: "
               + std::to_string(body.size()) + "\r\n" + fields + "\r\n" + body);
  }
};

} // namespace

TEST_CASE_FIXTURE(fixture, "metrics give the registry, the actors and the process") {
  auto& counter = prometheus::BuildCounter().Name("my_total").Help("x").Register(*registry).Add({});
  counter.Increment(3);
  auto& type = all.of_type("session");
  type.handled = 7;
  type.latency.add_ns(1'500'000);
  start();
  auto r = ask("GET", "/metrics", "", "");
  CHECK(r.status == 200);
  CHECK(r.head.find("text/plain; version=0.0.4") != std::string::npos);
  for (auto line : {"my_total 3", "troupe_actor_handled_total{type=\"session\"} 7",
                    "troupe_actor_handling_seconds_bucket{type=\"session\",le=\"0.001024\"} 0",
                    "troupe_actor_handling_seconds_bucket{type=\"session\",le=\"0.002048\"} 1",
                    "troupe_actor_handling_seconds_bucket{type=\"session\",le=\"+Inf\"} 1",
                    "troupe_actor_handling_seconds_count{type=\"session\"} 1", "process_open_fds "})
    CHECK_MESSAGE(r.body.find(line) != std::string::npos, line);
}

TEST_CASE_FIXTURE(fixture, "the busiest actors are sorted, paged and checked") {
  std::array<actor_probe, 5> actors;
  auto& session = all.of_type("session");
  auto& store = all.of_type("store");
  for (std::size_t i = 0; i < actors.size(); ++i) {
    actors[i].type = i < 4 ? &session : &store;
    actors[i].actor_id = i;
    actors[i].handled = i;
    actors[i].depth = static_cast<std::uint32_t>(10 - i);
    actors[i].busy_ns = i * 1'000;
    all.enter(actors[i]);
  }
  start();
  auto ids = [&](const std::string& target) {
    std::vector<int> result;
    auto r = ask("GET", target);
    CHECK(r.status == 200);
    auto json = r.json();
    for (const auto& row : json.at("busiest"))
      result.push_back(row.at("id"));
    return result;
  };
  CHECK(ids("/ops/v1/actors") == std::vector{4, 3, 2, 1, 0});
  CHECK(ids("/ops/v1/actors?sort=depth&limit=2") == std::vector{0, 1});
  CHECK(ids("/ops/v1/actors?sort=handled&limit=2&offset=3") == std::vector{1, 0});
  CHECK(ids("/ops/v1/actors?type=store") == std::vector{4});
  CHECK(ids("/ops/v1/actors?offset=99").empty());
  auto r = ask("GET", "/ops/v1/actors?type=session").json();
  CHECK(r.at("total") == 4);
  CHECK(r.at("types").size() == 1);
  CHECK(r.at("types")[0].at("live") == 4);
  for (auto [query, message] : std::initializer_list<std::pair<const char*, const char*>>{
           {"sort=size", "busy, handled or depth"},
           {"limit=0", "from 1 to 1000"},
           {"limit=1001", "from 1 to 1000"},
           {"limit=ten", "from 1 to 1000"},
           {"offset=-1", "from 0 to"},
           {"limit=1&limit=2", "`limit` is given twice"},
           {"type=sesion", "session, store"},
           {"order=busy", "allowed are sort, limit, offset, type"}}) {
    auto refused = ask("GET", std::string{"/ops/v1/actors?"} + query);
    CHECK(refused.status == 400);
    CHECK(refused.code() == "invalid_argument");
    CHECK_MESSAGE(refused.message().find(message) != std::string::npos, refused.message());
  }
  for (auto& a : actors)
    all.leave(a);
}

TEST_CASE_FIXTURE(fixture, "hooks answer, fail and throw as JSON") {
  start();
  CHECK(ask("GET", "/ops/v1/node").json().at("phase") == "ready");
  CHECK(ask("POST", "/ops/v1/drain").status == 202);
  auto r = ask("POST", "/ops/v1/reload");
  CHECK(r.status == info(ec::config_invalid).http_status);
  CHECK(r.message() == "t.yaml:1:1: no");
  CHECK(ask("GET", "/ops/v1/config").code() == "internal_error");
  CHECK(ask("GET", "/ops/v1/upstreams").status == 501);
  CHECK(ask("GET", "/ops/v1/node?x=1").status == 400);
}

TEST_CASE_FIXTURE(fixture, "the log level can be read and changed, by known names only") {
  auto before = get_log_level();
  start();
  CHECK(ask("GET", "/ops/v1/log").json().at("level") == to_string(before));
  CHECK(ask("PUT", "/ops/v1/log", R"({"level":"error"})").status == 200);
  CHECK(get_log_level() == log_level::error);
  // As curl's -d sends it.
  auto form = "Authorization: Bearer sesame\r\nContent-Type: application/x-www-form-urlencoded\r\n";
  CHECK(ask("PUT", "/ops/v1/log", R"({"level":"warn"})", form).status == 200);
  CHECK(ask("PUT", "/ops/v1/log?x=1", R"({"level":"error"})", form).status == 400);
  CHECK(get_log_level() == log_level::warn);
  CHECK(ask("PUT", "/ops/v1/log", R"({"level":"error"})").status == 200);
  for (auto body : {"", "error", "[]", R"({"level":"loud"})", R"({"level":5})",
                    R"({"level":"info","x":1})", R"({"level":)"})
    CHECK_MESSAGE(ask("PUT", "/ops/v1/log", body).status == 400, body);
  CHECK(ask("PUT", "/ops/v1/log", std::string(60'000, '[')).status == 400);
  CHECK(get_log_level() == log_level::error);
  set_log_level(before);
}

TEST_CASE_FIXTURE(fixture, "changes need the token, and foreign pages and names are refused") {
  start();
  for (auto [method, path] : std::initializer_list<std::pair<const char*, const char*>>{
           {"POST", "/ops/v1/drain"}, {"POST", "/ops/v1/reload"}, {"PUT", "/ops/v1/log"}}) {
    auto r = ask(method, path, "", "");
    CHECK(r.status == 401);
    CHECK(r.head.find("WWW-Authenticate: Bearer") != std::string::npos);
    CHECK(ask(method, path, "", "Authorization: Bearer wrong\r\n").status == 401);
  }
  CHECK(ask("GET", "/ops/v1/node", "", "").status == 200);
  CHECK(ask("GET", "/ops/v1/node", "", "Origin: http://evil.example\r\n").status == 403);
  CHECK(raw("GET /ops/v1/node HTTP/1.1\r\nHost: evil.example\r\n\r\n").status == 403);
  CHECK(raw("GET /ops/v1/node HTTP/1.1\r\nHost: localhost\r\nHost: x\r\n\r\n").status == 400);
}

TEST_CASE_FIXTURE(fixture, "bad methods, paths and bodies get a JSON error that says why") {
  start();
  auto r = ask("DELETE", "/ops/v1/node");
  CHECK(r.status == 405);
  CHECK(r.head.find("Allow: GET") != std::string::npos);
  CHECK(ask("GET", "/ops/v1/drain").status == 405);
  CHECK(ask("POST", "/metrics").status == 405);
  CHECK(ask("GET", "/nothing").code() == "not_found");
  CHECK(ask("GET", "/ops/v1/../node").status == 404);
  CHECK(ask("BREW", "/ops/v1/node").status == 400);
  CHECK(ask("HEAD", "/metrics").body.empty());
  CHECK(ask("PUT", "/ops/v1/log", std::string(70'000, 'x')).status == 413);
  CHECK(raw("PUT /ops/v1/log HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n").status == 411);
  CHECK(raw("GET / HTTP/1.1\n\n").status == 400);
  CHECK(raw("\x16\x03\x01\x02\r\n\r\n").status == 400);
}

TEST_CASE_FIXTURE(fixture, "a request that does not come in time is ended") {
  settings.read_limit_ms = 50;
  start();
  client half{server->port()};
  half.send("GET /metr");
  CHECK(parse(half.receive()).status == 408);
  client silent{server->port()};
  CHECK(silent.receive().empty());
}

TEST_CASE_FIXTURE(fixture, "slow and stalled clients, more than there is room for, stop nobody") {
  settings.connections_max = 64;
  // Large enough that an unread answer fills the socket's buffers.
  auto& family = prometheus::BuildCounter().Name("filler").Help("x").Register(*registry);
  for (int i = 0; i < 20'000; ++i)
    family.Add({{"i", std::to_string(i) + std::string(200, 'x')}});
  start();
  std::vector<client> others;
  for (int i = 0; i < 150; ++i) {
    others.emplace_back(server->port());
    others.back().send(i % 3 == 0   ? "GET /metrics HTTP/1.1\r\nHost: local"
                       : i % 3 == 1 ? ""
                                    : "PUT /ops/v1/log HTTP/1.1\r\nContent-Length: 9\r\n\r\n");
  }
  for (int i = 0; i < 8; ++i) {
    others.emplace_back(server->port());
    others.back().send("GET /metrics HTTP/1.1\r\nHost: localhost\r\n\r\n"); // never reads
  }
  for (int i = 0; i < 5; ++i) {
    auto begin = std::chrono::steady_clock::now();
    CHECK(ask("GET", "/ops/v1/node").status == 200);
    CHECK(std::chrono::steady_clock::now() - begin < 20s); // a stalled client has 60 s
  }
}

TEST_CASE_FIXTURE(fixture, "hooks that hang leave /metrics alone, and are refused when too many") {
  std::mutex mutex;
  std::condition_variable changed;
  int inside = 0;
  bool released = false;
  node.node_status = [&]() -> ops::answer {
    std::unique_lock lock{mutex};
    ++inside;
    changed.notify_all();
    changed.wait_for(lock, patience, [&] { return released; });
    return nlohmann::json{{"phase", "late"}};
  };
  settings.threads = 3;
  start();
  std::vector<client> hanging;
  for (int i = 0; i < 2; ++i) {
    hanging.emplace_back(server->port());
    hanging.back().send("GET /ops/v1/node HTTP/1.1\r\nHost: localhost\r\n\r\n");
  }
  {
    std::unique_lock lock{mutex};
    REQUIRE(changed.wait_for(lock, patience, [&] { return inside == 2; }));
  }
  CHECK(ask("GET", "/metrics").status == 200);
  auto r = ask("GET", "/ops/v1/node");
  CHECK(r.status == 503);
  CHECK(r.code() == "overloaded");
  {
    std::lock_guard guard{mutex};
    released = true;
    changed.notify_all();
  }
  CHECK(parse(hanging[0].receive()).json().at("phase") == "late");
  CHECK(parse(hanging[1].receive()).status == 200);
}

TEST_CASE_FIXTURE(fixture, "what is in the way of starting is said") {
  start();
  ops::options same = settings;
  same.port = server->port();
  ops::ops_server second{same, {}, all, {}};
  auto err = second.start();
  CHECK(describe(err).find("Address already in use") != std::string::npos);
  CHECK(describe(err).find("ops.listen") != std::string::npos);

  ops::ops_server open{{.host = "0.0.0.0", .port = 0}, {}, all, {}};
  CHECK(describe(open.start()).find("set ops.token") != std::string::npos);

  ops::ops_server six{{.host = "::1", .port = 0, .token = "t"}, {}, all, {}};
  auto no_ipv6 = six.start();
  if (!no_ipv6)
    CHECK(six.url() == "http://[::1]:" + std::to_string(six.port()));
}

TEST_CASE_FIXTURE(fixture, "stopping closes what is open and frees the port") {
  start();
  auto port = server->port();
  client open{port};
  open.send("GET /metr");
  server->stop();
  CHECK(open.receive().empty());
  settings.port = port;
  start();
  CHECK(ask("GET", "/metrics").status == 200);
}

TEST_CASE("asking an actor that does not answer ends by the limit") {
  system_config config{2};
  caf::actor_system system{config};
  auto deaf = system.spawn([](caf::event_based_actor* self) -> caf::behavior {
    return {[self](const std::string&) { return self->make_response_promise<int>(); }};
  });
  auto lively = system.spawn([]() -> caf::behavior {
    return {[](const std::string& text) { return static_cast<int>(text.size()); }};
  });
  auto none = ops::ask_blocking<int>(system, deaf, 30ms, std::string{"hello"});
  REQUIRE(!none);
  CHECK(info(none.error()).code == ec::deadline_exceeded);
  auto five = ops::ask_blocking<int>(system, lively, 10s, std::string{"hello"});
  REQUIRE(five);
  CHECK(*five == 5);
  caf::anon_send_exit(deaf, caf::exit_reason::kill);
}
