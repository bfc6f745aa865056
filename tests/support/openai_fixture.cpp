#include "tests/support/openai_fixture.hpp"

#include "gateway/upstream/sse_parser.hpp"

#include <boost/asio/connect.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/write.hpp>

#include <algorithm>
#include <future>

namespace troupe::test {

using namespace gateway;
using json = nlohmann::json;

keyring_actor::behavior_type fake_keyring(self_pointer<keyring_actor, fake_keyring_state>) {
  return {
      [](const Authorize& query) -> caf::result<Principal> {
        if (query->key_hash() == sha256("sk-other"))
          return make_error(ec::forbidden, "this key may not use it");
        if (query->key_hash() != sha256("sk-good") || query->scope() != "openai")
          return make_error(ec::unauthenticated, "the API key is not valid");
        v1::Principal who;
        who.set_id("key-1");
        who.add_scopes("openai");
        return Principal{std::move(who)};
      },
      [](const CreateApiKey&) -> caf::result<ApiKeyCreated> { return make_error(ec::unsupported); },
      [](const ListApiKeys&) -> caf::result<ApiKeyPage> { return make_error(ec::unsupported); },
      [](const RevokeApiKey&) -> caf::result<Done> { return make_error(ec::unsupported); },
      [](const KeyRevoked&) {},
  };
}

void fake_ledger::put(v1::UsageRecord&& record) {
  std::lock_guard guard{log->mutex};
  log->records.push_back(std::move(record));
}

test_server::test_server(const actor_host& host) {
  server_options options;
  options.config.listen = "127.0.0.1:0";
  options.config.shards = 1;
  options.access_log = false;
  server = std::make_unique<gateway::server>(std::move(options), host, probe);
}

void test_server::start(router routes) {
  if (auto err = server->start(std::move(routes)))
    throw std::runtime_error(describe(err));
}

test_server::~test_server() {
  server->stop_ingress(std::chrono::milliseconds{0});
  server->stop();
}

openai_fixture::openai_fixture() {
  routes["mock"] = route_to({{"main", "mock"}});
  routes["mapped"] = route_to({{"main", "their-name"}});
  for (const auto& fault : mock_fault_list()) {
    std::string name{fault.model};
    routes[name] = route_to({{"main", name}});
    routes["over-" + name.substr(6)] = route_to({{"main", name}, {"backup", "mock"}});
  }
}

openai_fixture::~openai_fixture() {
  if (troupe) {
    troupe->server->stop_ingress(std::chrono::milliseconds{0});
    std::promise<void> closed;
    asio::post(troupe->server->shards()[0]->context(), [&] {
      calls->close();
      closed.set_value();
    });
    closed.get_future().wait();
    troupe->server->stop();
  }
  calls.reset();
  troupe.reset();
  mock.reset();
}

void openai_fixture::serve(
    mock_options options,
    const std::function<void(std::vector<config::upstream_section>&)>& change) {
  mock = std::make_unique<test_server>(host);
  options.connections_open = [this] { return mock->probe.connections.load(); };
  router mock_routes;
  add_mock_routes(mock_routes, std::move(options));
  mock->start(std::move(mock_routes));

  auto url = "http://127.0.0.1:" + std::to_string(mock->server->port()) + "/v1";
  std::vector<config::upstream_section> sections{upstream_fixture::section("main", url),
                                                 upstream_fixture::section("backup", url)};
  if (change)
    change(sections);
  auto models = troupe::spawn(host, fake_router, fake_router_options{log, routes});
  troupe = std::make_unique<test_server>(host);
  upstreams_options up;
  up.sections = std::move(sections);
  up.router = models;
  calls = make_upstreams(*troupe->server->shards()[0], std::move(up));
  authenticator_options who;
  who.keyring = troupe::spawn(host, fake_keyring);
  who.fresh = keys_fresh;
  who.probe = &kept;
  openai_options api;
  api.who = std::make_shared<const authenticator>(std::move(who));
  api.models = models;
  api.models_fresh = routes_fresh;
  api.probe = &kept;
  api.usage = std::make_shared<fake_ledger>(log);
  api.tokenizer = troupe::spawn(host, fake_tokenizer);
  api.guard = guard;
  api.upstreams_of = [this](const io_shard&) { return calls; };
  router api_routes;
  add_openai_routes(api_routes, std::move(api));
  troupe->start(std::move(api_routes));
}

namespace {

using asio::ip::tcp;

std::string lower(std::string text) {
  std::transform(text.begin(), text.end(), text.begin(),
                 [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
  return text;
}

/// De-chunks; true if the last chunk is there.
bool dechunk(std::string_view raw, std::string& body) {
  for (;;) {
    auto end = raw.find("\r\n");
    if (end == std::string_view::npos)
      return false;
    auto size = std::stoul(std::string{raw.substr(0, end)}, nullptr, 16);
    raw.remove_prefix(end + 2);
    if (size == 0)
      return raw.substr(0, 2) == "\r\n";
    body.append(raw.substr(0, size));
    if (raw.size() < size + 2)
      return false;
    raw.remove_prefix(size + 2);
  }
}

openai_fixture::answer read_answer(const std::string& raw) {
  openai_fixture::answer a;
  auto head_end = raw.find("\r\n\r\n");
  if (head_end == std::string::npos)
    return a;
  a.status = std::stoi(raw.substr(9, 3));
  std::size_t at = raw.find("\r\n") + 2;
  while (at < head_end + 2) {
    auto end = raw.find("\r\n", at);
    auto line = raw.substr(at, end - at);
    auto colon = line.find(": ");
    a.headers[lower(line.substr(0, colon))] = line.substr(colon + 2);
    at = end + 2;
  }
  a.content_type = a.headers["content-type"];
  auto rest = std::string_view{raw}.substr(head_end + 4);
  if (a.headers.contains("transfer-encoding")) {
    a.whole = dechunk(rest, a.body);
  } else {
    a.body = rest;
    a.whole = a.headers.contains("content-length")
              && std::stoul(a.headers["content-length"]) == a.body.size();
  }
  return a;
}

openai_fixture::answer exchange_bytes(std::uint16_t port, const std::string& request) {
  auto began = std::chrono::steady_clock::now();
  asio::io_context io;
  tcp::socket socket{io};
  socket.connect({asio::ip::address_v4::loopback(), port});
  boost::system::error_code error;
  asio::write(socket, asio::buffer(request), error);
  std::string raw;
  char buffer[16'384];
  for (error = {}; !error;) {
    auto bytes = socket.read_some(asio::buffer(buffer), error);
    raw.append(buffer, bytes);
  }
  auto a = read_answer(raw);
  a.took = std::chrono::duration_cast<std::chrono::milliseconds>(std::chrono::steady_clock::now()
                                                                 - began);
  return a;
}

} // namespace

std::vector<std::string> openai_fixture::answer::events() const {
  std::vector<std::string> all;
  sse_parser parser;
  parser.feed(body, [&](const sse_event& e) { all.emplace_back(e.data); });
  return all;
}

std::string openai_fixture::answer::text() const {
  std::string all;
  for (const auto& event : events()) {
    auto chunk = json::parse(event, nullptr, false);
    if (chunk.is_object() && chunk.contains("choices") && !chunk["choices"].empty()) {
      const auto& choice = chunk["choices"][0];
      const auto& from = choice.contains("delta") ? choice["delta"].value("content", json())
                                                  : choice.value("text", json());
      if (from.is_string())
        all += from.get<std::string>();
    }
  }
  return all;
}

bool openai_fixture::answer::done() const {
  auto all = events();
  return !all.empty() && all.back() == "[DONE]";
}

openai_fixture::answer openai_fixture::post(const std::string& path, const std::string& body,
                                            const std::string& key) const {
  std::string request =
      "POST " + path + " HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n"
      + "Content-Type: application/json\r\nContent-Length: " + std::to_string(body.size()) + "\r\n";
  if (!key.empty())
    request += "Authorization: Bearer " + key + "\r\n";
  return exchange_bytes(troupe->server->port(), request + "\r\n" + body);
}

openai_fixture::answer openai_fixture::get(const std::string& path, const std::string& key) const {
  return exchange_bytes(troupe->server->port(),
                        "GET " + path
                            + " HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n"
                              "Authorization: Bearer "
                            + key + "\r\n\r\n");
}

std::string openai_fixture::chat_body(const std::string& model, bool stream,
                                      const std::string& more) {
  return "{\"model\":\"" + model
         + "\",\"messages\":[{\"role\":\"user\",\"content\":\"one two three\"}]"
         + (stream ? ",\"stream\":true" : "") + more + "}";
}

openai_fixture::answer openai_fixture::chat(const std::string& model, bool stream,
                                            const std::string& more) const {
  return post("/v1/chat/completions", chat_body(model, stream, more));
}

json openai_fixture::mock_stats() const {
  return exchange_bytes(mock->server->port(),
                        "GET /mock/stats HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
      .json();
}

v1::UsageRecord openai_fixture::record(std::size_t i) const {
  if (!eventually([&] { return log->all_records().size() > i; }))
    throw std::runtime_error("no such record");
  return log->all_records()[i];
}

} // namespace troupe::test
