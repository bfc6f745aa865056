#include "tests/support/api_client.hpp"

#include "gateway/upstream/sse_parser.hpp"

#include <httplib.h>

#include <algorithm>

namespace troupe::test {

using namespace std::chrono_literals;
using nlohmann::json;

std::string api_answer::code() const {
  auto error = body.is_object() ? body.find("error") : body.end();
  if (!body.is_object() || error == body.end() || !error->is_object())
    return {};
  return error->value("code", "");
}

std::string api_event::turn() const { return id.substr(0, id.rfind(':')); }

std::int64_t api_event::seq() const {
  auto colon = id.rfind(':');
  return colon == std::string::npos ? -1 : std::stoll(id.substr(colon + 1));
}

struct api_client::impl {
  impl(const std::string& host, int port, const std::string& key, std::chrono::milliseconds limit) :
      http(host, port) {
    http.set_keep_alive(true);
    http.set_tcp_nodelay(true);
    http.set_connection_timeout(std::min<std::chrono::milliseconds>(limit, 5s));
    http.set_read_timeout(limit);
    http.set_bearer_token_auth(key);
  }

  httplib::Request request(const std::string& path, const json& body,
                           const header_map& headers) const {
    httplib::Request made;
    made.method = body.is_null() ? "GET" : "POST";
    made.path = path;
    for (const auto& [name, value] : headers)
      made.headers.emplace(name, value);
    if (!body.is_null()) {
      made.headers.emplace("Content-Type", "application/json");
      made.body = body.dump();
    }
    return made;
  }

  static void read_head(const httplib::Response& response, api_answer& into) {
    into.status = response.status;
    into.retry_after = response.get_header_value("Retry-After");
    into.request_id = response.get_header_value("X-Request-Id");
  }

  api_answer ask(httplib::Request made) {
    api_answer out;
    auto result = http.send(made);
    if (!result)
      return out;
    read_head(*result, out);
    auto parsed = json::parse(result->body, nullptr, false);
    out.body = parsed.is_discarded() ? json(nullptr) : std::move(parsed);
    return out;
  }

  httplib::Client http;
};

api_client::api_client(const std::string& host, int port, const std::string& key,
                       std::chrono::milliseconds limit) :
    impl_(std::make_unique<impl>(host, port, key, limit)) {}

api_client::~api_client() = default;

api_answer api_client::get(const std::string& path) {
  return impl_->ask(impl_->request(path, nullptr, {}));
}

api_answer api_client::post(const std::string& path, const json& body, const header_map& headers) {
  return impl_->ask(impl_->request(path, body, headers));
}

api_answer api_client::stream(const std::string& path, const json& body, const header_map& headers,
                              const std::function<bool(const api_event&)>& take, bool* whole) {
  auto made = impl_->request(path, body, headers);
  made.headers.emplace("Accept", "text/event-stream");
  api_answer out;
  std::string refusal;
  bool goes_on = true;
  gateway::sse_parser parser;
  made.response_handler = [&](const httplib::Response& response) {
    impl::read_head(response, out);
    return true;
  };
  made.content_receiver = [&](const char* data, std::size_t size, std::uint64_t, std::uint64_t) {
    if (out.status != 200) {
      refusal.append(data, size);
      return true;
    }
    parser.feed({data, size}, [&](const gateway::sse_event& event) {
      if (goes_on)
        goes_on = take({std::string{event.name}, std::string{event.id},
                        json::parse(event.data, nullptr, false)});
    });
    return goes_on;
  };
  auto result = impl_->http.send(made);
  if (whole != nullptr)
    *whole = static_cast<bool>(result);
  auto parsed = json::parse(refusal, nullptr, false);
  out.body = parsed.is_discarded() ? json(nullptr) : std::move(parsed);
  if (out.status != 200 && !result)
    out.status = 0;
  return out;
}

} // namespace troupe::test
