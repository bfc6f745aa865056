#include "gateway/ops/engine.hpp"

#include "gateway/server/url.hpp"
#include "messages/error.hpp"
#include "messages/log.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>
#include <httplib.h>

#include <algorithm>
#include <cstring>

namespace troupe::gateway::ops {

namespace {

/// A request and its answer in memory, as cpp-httplib reads and writes them.
class memory_stream final : public httplib::Stream {
public:
  explicit memory_stream(const raw_request& raw) : raw_(raw) {}

  std::string take() { return std::move(written_); }

  bool is_readable() const override { return position_ < raw_.bytes.size(); }
  bool is_writable() const override { return true; }
  ssize_t read(char* to, size_t size) override {
    auto count = std::min(size, raw_.bytes.size() - position_);
    std::memcpy(to, raw_.bytes.data() + position_, count);
    position_ += count;
    return static_cast<ssize_t>(count);
  }
  ssize_t write(const char* from, size_t size) override {
    written_.append(from, size);
    return static_cast<ssize_t>(size);
  }
  void get_remote_ip_and_port(std::string& ip, int& port) const override {
    ip = raw_.remote_address;
    port = raw_.remote_port;
  }
  void get_local_ip_and_port(std::string& ip, int& port) const override {
    ip.clear();
    port = 0;
  }
  socket_t socket() const override { return INVALID_SOCKET; }

private:
  const raw_request& raw_;
  std::size_t position_ = 0;
  std::string written_;
};

/// cpp-httplib without its sockets and threads.
class http_server final : public httplib::Server {
public:
  std::string respond(const raw_request& raw) {
    memory_stream stream{raw};
    bool closed = false;
    process_request(stream, true, closed, nullptr);
    return stream.take();
  }
};

std::string_view code_of(int status) {
  switch (status) {
    case 404:
      return "not_found";
    case 408:
    case 504:
      return "deadline_exceeded";
    case 413:
    case 431:
      return "too_large";
    case 503:
      return "overloaded";
    default:
      return status >= 500 ? "internal_error" : "malformed_request";
  }
}

std::string_view phrase_of(int status) {
  switch (status) {
    case 400:
      return "Bad Request";
    case 408:
      return "Request Timeout";
    case 411:
      return "Length Required";
    case 413:
      return "Content Too Large";
    case 431:
      return "Request Header Fields Too Large";
    case 503:
      return "Service Unavailable";
    case 504:
      return "Gateway Timeout";
    default:
      return "Internal Server Error";
  }
}

void put(const response& from, httplib::Response& to) {
  to.status = from.status;
  to.set_content(from.body, from.content_type);
}

/// Those of the URL alone: the library adds what is in a body that says it is a form, and curl says
/// so of any.
std::multimap<std::string, std::string> parameters(const httplib::Request& r) {
  auto question = r.target.find('?');
  if (question == std::string::npos)
    return {};
  auto query = parse_query(std::string_view{r.target}.substr(question + 1));
  return {query.begin(), query.end()};
}

guard_input guarded_fields(const httplib::Request& r, std::array<std::string, 4>& values) {
  constexpr std::array names{"Host", "Origin", "Sec-Fetch-Site", "Authorization"};
  guard_input in;
  in.method = r.method;
  for (std::size_t i = 0; i < names.size(); ++i) {
    values[i] = r.get_header_value(names[i]);
    in.fields_are_single = in.fields_are_single && r.get_header_value_count(names[i]) <= 1;
  }
  in.host = values[0];
  in.origin = values[1];
  in.fetch_site = values[2];
  in.authorization = values[3];
  return in;
}

} // namespace

struct engine::impl {
  impl(guard w, route_table r) : who(std::move(w)), routes(std::move(r)) {
    server.set_default_headers({{"Cache-Control", "no-store"},
                                {"X-Content-Type-Options", "nosniff"},
                                {"Content-Security-Policy", "default-src 'none'"}});
    // All is answered here or by a route below; the library's own file serving and error pages
    // never come to work.
    server.set_pre_routing_handler([this](const auto& in, auto& out) { return admit(in, out); });
    server.set_error_handler([](const httplib::Request&, httplib::Response& out) {
      if (out.body.empty())
        put(error_response(out.status, code_of(out.status), "the request cannot be served"), out);
    });
    for (const auto& [path, methods] : routes)
      for (const auto& [method, handler] : methods)
        add(method, path, handler);
  }

  void add(const std::string& method, const std::string& path, const route& handler) {
    auto call = [handler](const httplib::Request& in, httplib::Response& out) {
      put(handler({parameters(in), in.body}), out);
      if (in.method != "GET" && in.method != "HEAD")
        log_info("ops_command", {{"method", in.method},
                                 {"path", in.path},
                                 {"status", out.status},
                                 {"remote", in.remote_addr}});
    };
    if (method == "GET")
      server.Get(path, call);
    else if (method == "POST")
      server.Post(path, call);
    else
      server.Put(path, call);
  }

  httplib::Server::HandlerResponse admit(const httplib::Request& in, httplib::Response& out) {
    std::array<std::string, 4> fields;
    auto said = who.check(guarded_fields(in, fields));
    if (said.status != 0) {
      put(error_response(said.status, said.code, said.message), out);
      if (said.status == 401)
        out.set_header("WWW-Authenticate", "Bearer");
      return httplib::Server::HandlerResponse::Handled;
    }
    auto found = routes.find(in.path);
    if (found == routes.end()) {
      put(error_response(404, "not_found", "no such path; see /metrics and /ops/v1/node"), out);
      return httplib::Server::HandlerResponse::Handled;
    }
    auto method = in.method == "HEAD" ? "GET" : in.method;
    if (found->second.contains(method))
      return httplib::Server::HandlerResponse::Unhandled;
    std::vector<std::string> allowed;
    for (const auto& [name, ignored] : found->second)
      allowed.push_back(name);
    auto list = fmt::format("{}", fmt::join(allowed, ", "));
    put(error_response(405, "method_not_allowed", "this path takes " + list), out);
    out.set_header("Allow", list);
    return httplib::Server::HandlerResponse::Handled;
  }

  guard who;
  route_table routes;
  http_server server;
};

engine::engine(guard who, route_table routes) :
    impl_(std::make_unique<impl>(std::move(who), std::move(routes))) {}
engine::~engine() = default;
engine::engine(engine&&) noexcept = default;

std::string engine::respond(const raw_request& raw) noexcept {
  try {
    auto text = impl_->server.respond(raw);
    return text.empty() ? refusal_text(400, "the request cannot be parsed") : text;
  } catch (const std::exception& e) {
    log_error("ops_request_failed", {{"reason", e.what()}});
    return refusal_text(500, "this is a bug; see the node's log");
  }
}

std::string refusal_text(int status, const std::string& message) {
  auto body = error_response(status, code_of(status), message).body;
  return fmt::format("HTTP/1.1 {} {}\r\nContent-Type: application/json\r\nContent-Length: "
                     "{}\r\nConnection: close\r\n\r\n{}",
                     status, phrase_of(status), body.size(), body);
}

} // namespace troupe::gateway::ops
