#include "tests/support/server_fixture.hpp"

#include "messages/log.hpp"

#include <nlohmann/json.hpp>

#include <cstdlib>
#include <stdexcept>
#include <thread>

namespace troupe::test {

using namespace gateway;

server_fixture::server_fixture() {
  config.listen = "127.0.0.1:0";
  system.emplace(system_options);
  if (std::getenv("TROUPE_TEST_LOG") == nullptr)
    set_log_level(log_level::off);
}

server_fixture::~server_fixture() { close(); }

void server_fixture::close() {
  if (server)
    server->stop();
  server.reset();
  system.reset();
}

bool server_fixture::start(router routes) {
  server = std::make_unique<gateway::server>(server_options{config, access_log},
                                             actor_host{&*system, &all_probes}, probe);
  refused = server->start(std::move(routes));
  return !refused;
}

raw_answer server_fixture::get(const std::string& path, const std::string& headers) const {
  return client().ask("GET " + path + " HTTP/1.1\r\nHost: test\r\n" + headers
                      + "Connection: close\r\n\r\n");
}

namespace {

asio::awaitable<void> hello(exchange& x) { co_await x.reply(200, "text/plain", "hello"); }

asio::awaitable<void> echo(exchange& x) { co_await x.reply(200, "text/plain", x.body()); }

// What the handler was told of the request.
asio::awaitable<void> mirror(exchange& x) {
  nlohmann::json told;
  told["method"] = x.method();
  told["path"] = x.path();
  told["id"] = x.param("id");
  told["rest"] = x.param("rest");
  told["q"] = x.query("q");
  told["header"] = x.header("x-test");
  told["remote"] = x.remote_address();
  told["request_id"] = x.request_id();
  told["traceparent"] = x.traceparent();
  told["body"] = x.body();
  co_await reply_json(x, 200, told);
}

asio::awaitable<void> fail(exchange&) {
  throw std::runtime_error("a handler failed on purpose");
  co_return;
}

asio::awaitable<void> silent(exchange&) { co_return; }

asio::awaitable<void> refuse(exchange& x) {
  co_await reply_error(x, make_error(ec::overloaded, "come back later"));
}

class three_events_source final : public event_source {
  void begin(event_stream& out) override {
    out.send("tick", "one\ntwo", "1");
    out.send("", "three", "");
    out.send("tock", "four\r\nevil: 1", "2\nevil");
    out.finish();
  }
};

asio::awaitable<void> three_events(exchange& x) {
  x.stream_events(std::make_shared<three_events_source>());
  co_return;
}

/// Far more than may wait: sent as far as there is room.
class many_events final : public event_source {
public:
  void begin(event_stream& out) override {
    out_ = &out;
    drained();
  }
  void drained() override {
    for (; sent_ < 2'000 && out_->waiting() < 65'536; ++sent_)
      out_->send("", std::to_string(sent_) + " " + std::string(10'000, '.'));
    if (sent_ == 2'000)
      out_->finish();
  }

private:
  event_stream* out_ = nullptr;
  int sent_ = 0;
};

asio::awaitable<void> many(exchange& x) {
  x.stream_events(std::make_shared<many_events>());
  co_return;
}

class endless_source final : public event_source {
  void begin(event_stream& out) override { out.send("ready", "{}"); }
};

asio::awaitable<void> endless_events(exchange& x) {
  x.stream_events(std::make_shared<endless_source>());
  co_return;
}

asio::awaitable<void> pieces(exchange& x) {
  auto out = co_await x.start_body(200, "text/plain");
  for (int i = 0; i < 3; ++i)
    co_await out->write("piece" + std::to_string(i) + ";");
  co_await out->finish();
}

asio::awaitable<void> broken_body(exchange& x) {
  auto out = co_await x.start_body(200, "text/plain");
  co_await out->write("the beginning");
}

} // namespace

router server_fixture::standard_routes() {
  router r;
  r.add("GET", "/hello", hello);
  r.add("POST", "/echo", echo);
  r.add("POST", "/small", echo, {16, "small", false});
  r.add("GET", "/items/{id}", mirror);
  r.add("POST", "/items/{id}", mirror);
  r.add("GET", "/files/{rest*}", mirror);
  r.add("GET", "/throw", fail);
  r.add("GET", "/silent", silent);
  r.add("GET", "/refuse", refuse);
  r.add("GET", "/openai/refuse", refuse, {0, "", true});
  r.add("GET", "/openai/throw", fail, {0, "", true});
  r.add("GET", "/events", three_events);
  r.add("GET", "/endless", endless_events);
  r.add("GET", "/many", many);
  r.add("GET", "/pieces", pieces);
  r.add("GET", "/broken", broken_body);
  return r;
}

} // namespace troupe::test
