#include "cluster/cli/client.hpp"

#include "cluster/node_files.hpp"
#include "config/load.hpp"
#include "gateway/server/url.hpp"

#include <fmt/format.h>
#include <httplib.h>

#include <atomic>
#include <filesystem>

namespace troupe::cli {

namespace {

using nlohmann::json;

constexpr time_t connect_limit_s = 5;
constexpr time_t answer_limit_s = 60; // between two reads; heartbeats come every 15 s
constexpr std::size_t error_bytes_max = 65'536;
constexpr std::size_t event_bytes_max = 64 * 1024 * 1024;

/// The error of a node's answer, or of whoever answered in its place.
api_failure to_failure(const std::string& url, int status, const std::string& body) {
  auto value = json::parse(body, nullptr, false);
  auto error = value.is_object() ? value.value("error", json::object()) : json::object();
  if (!error.is_object() || !error.contains("message") || !error["message"].is_string())
    return {status, "",
            fmt::format("{} answered with status {}: is it a Troupe node?", url, status)};
  auto text = error["message"].get<std::string>();
  auto code = error.contains("code") && error["code"].is_string() ? error["code"].get<std::string>()
                                                                  : std::string{};
  if (status == 401)
    text += " (give a key with --key or TROUPE_KEY)";
  return {status, std::move(code), text, std::move(value)};
}

failure no_answer(const std::string& url, httplib::Error error) {
  switch (error) {
    case httplib::Error::Connection:
    case httplib::Error::ConnectionTimeout:
      return failure(fmt::format("no node answers at {}; start one with `troupe serve`, or name "
                                 "another with --url",
                                 url));
    case httplib::Error::SSLConnection:
    case httplib::Error::SSLServerVerification:
      return failure(fmt::format("the certificate of {} cannot be trusted", url));
    default:
      return failure(fmt::format("the connection to {} broke: {}", url, httplib::to_string(error)));
  }
}

} // namespace

config::node_config load_config(const options& common) {
  auto loaded = config::load({.file = common.config_file,
                              .env = common.env,
                              .sets = common.sets,
                              .variables = config::process_environment()});
  if (!loaded.ok())
    throw failure("the configuration has problems:\n" + config::to_string(loaded.problems), 2);
  return std::move(loaded.config);
}

std::string local_identity(const std::string& data_dir) {
  std::error_code error;
  auto path = std::filesystem::weakly_canonical(data_dir, error);
  return "local:" + (error ? data_dir : path.string());
}

std::optional<node_address> find_node(const options& common, const config::node_config& config) {
  if (!common.url.empty()) {
    auto url = normalise_url(common.url);
    return node_address{url, url, common.key, url};
  }
  auto file = read_node_file(config.node.data_dir);
  if (!file)
    return std::nullopt;
  node_address address{file->url, file->ops_url, common.key, local_identity(config.node.data_dir)};
  if (address.key.empty()) {
    auto token = load_or_make_token(config.node.data_dir);
    if (!token)
      throw failure(token.error());
    address.key = *token;
  }
  return address;
}

node_address require_node(const options& common, const config::node_config& config) {
  auto address = find_node(common, config);
  if (!address)
    throw failure(fmt::format("no node runs here (data folder: {}); start one with `troupe serve`, "
                              "or name one elsewhere with --url",
                              config.node.data_dir));
  return *address;
}

api_failure::api_failure(int status, std::string code, const std::string& text, json answer) :
    failure(text, code.empty() ? 1 : info(ec_from_name(code)).exit_code),
    status(status),
    code(std::move(code)),
    answer(std::move(answer)) {}

struct http_client::impl {
  impl(const std::string& url, const std::string& key) : client(url) {
    client.set_connection_timeout(connect_limit_s);
    client.set_read_timeout(answer_limit_s);
    client.set_write_timeout(answer_limit_s);
    client.set_tcp_nodelay(true);
    client.set_keep_alive(true);
    if (!key.empty())
      client.set_bearer_token_auth(key);
  }
  httplib::Client client;
  std::atomic<bool> aborted{false};
};

http_client::http_client(std::string base_url, std::string key) :
    base_url_(normalise_url(base_url)), impl_(std::make_unique<impl>(base_url_, key)) {}

http_client::~http_client() = default;

json http_client::get(const std::string& path, const query& parameters) {
  return call("GET", path, parameters, nullptr);
}
json http_client::post(const std::string& path, const json& body) {
  return call("POST", path, {}, &body);
}
json http_client::patch(const std::string& path, const json& body) {
  return call("PATCH", path, {}, &body);
}
json http_client::del(const std::string& path) { return call("DELETE", path, {}, nullptr); }

json http_client::put_file(const std::string& path, const query& parameters, std::string content) {
  return as_json(exchange("PUT", path, parameters, std::move(content), "application/octet-stream"));
}

std::string http_client::get_file(const std::string& path, const query& parameters) {
  return exchange("GET", path, parameters, {}, {});
}

json http_client::call(const std::string& method, const std::string& path, const query& parameters,
                       const json* body) {
  bool sends = body != nullptr && !body->is_null();
  auto text = sends ? body->dump(-1, ' ', false, json::error_handler_t::replace) : std::string{};
  return as_json(
      exchange(method, path, parameters, std::move(text), sends ? "application/json" : ""));
}

json http_client::as_json(const std::string& text) const {
  auto value = json::parse(text, nullptr, false);
  if (value.is_discarded())
    throw failure(fmt::format("{} did not answer with JSON: is it a Troupe node?", base_url_));
  return value;
}

std::string http_client::exchange(const std::string& method, const std::string& path,
                                  const query& parameters, std::string body,
                                  const std::string& content_type) {
  httplib::Request request;
  request.method = method;
  request.path = path;
  char mark = '?';
  for (const auto& [name, value] : parameters)
    request.path += fmt::format("{}{}={}", std::exchange(mark, '&'), name, url_encode(value));
  request.set_header("Accept", "application/json, */*;q=0.1");
  if (!content_type.empty()) {
    request.body = std::move(body);
    request.set_header("Content-Type", content_type);
  }
  auto result = impl_->client.send(request);
  if (!result)
    throw no_answer(base_url_, result.error());
  if (result->status >= 400)
    throw to_failure(base_url_, result->status, result->body);
  if (result->status >= 300)
    throw failure(fmt::format("{} did not answer with JSON: is it a Troupe node?", base_url_));
  return std::move(result->body);
}

bool http_client::stream(const std::string& method, const std::string& path, const json& body,
                         const header_list& headers, const event_handler& on_event) {
  httplib::Request request;
  request.method = method;
  request.path = path;
  request.set_header("Accept", "text/event-stream");
  for (const auto& [name, value] : headers)
    request.set_header(name, value);
  if (!body.is_null()) {
    request.body = body.dump(-1, ' ', false, json::error_handler_t::replace);
    request.set_header("Content-Type", "application/json");
  }
  int status = 0;
  bool events = false;
  bool ended_here = false;
  std::string refusal;
  gateway::sse_parser parser{event_bytes_max};
  request.response_handler = [&](const httplib::Response& response) {
    status = response.status;
    events = response.get_header_value("Content-Type").starts_with("text/event-stream");
    return true;
  };
  request.content_receiver = [&](const char* data, std::size_t size, std::uint64_t, std::uint64_t) {
    if (status != 200 || !events) {
      refusal.append(data, std::min(size, error_bytes_max - refusal.size()));
      return refusal.size() < error_bytes_max;
    }
    auto good = parser.feed({data, size}, [&](const gateway::sse_event& event) {
      ended_here = ended_here || !on_event(event);
    });
    return good && !ended_here && !impl_->aborted;
  };
  impl_->aborted = false;
  auto result = impl_->client.send(request);
  if (status == 0)
    throw no_answer(base_url_, result.error());
  if (status != 200 || !events)
    throw to_failure(base_url_, status, refusal);
  return ended_here || impl_->aborted || result.error() == httplib::Error::Success;
}

void http_client::abort() {
  impl_->aborted = true;
  impl_->client.stop();
}

std::string url_encode(std::string_view text) { return gateway::percent_encode(text); }

std::string normalise_url(const std::string& url) {
  if (url.empty()) // as node.json has it
    throw failure("the node here has no public port, as it has not the role gateway: name one that "
                  "has with --url");
  auto out = url.find("://") == std::string::npos ? "http://" + url : url;
  while (out.ends_with('/'))
    out.pop_back();
  auto host = out.substr(std::min(out.find("://") + 3, out.size()));
  bool good_scheme = out.starts_with("http://") || out.starts_with("https://");
  if (!good_scheme || host.empty() || host.find_first_of("/?# @") != std::string::npos)
    throw failure(fmt::format("--url must be like http://host:8080, not {}", url), 2);
  return out;
}

} // namespace troupe::cli
