#include "gateway/server/replies.hpp"

#include <boost/beast/http/status.hpp>
#include <nlohmann/json.hpp>

#include <algorithm>

namespace troupe::gateway {

namespace {

std::string dump(const nlohmann::json& body) {
  return body.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
}

std::string_view openai_type_of(int status) {
  return status >= 500 ? "server_error" : "invalid_request_error";
}

// The origin if it may call us, else empty.
std::string_view allowed_origin(const exchange& x, const config::gateway_section& config) {
  auto origin = x.header("origin");
  for (const auto& allowed : config.cors_origins)
    if (!origin.empty() && (allowed == "*" || allowed == origin))
      return origin;
  return {};
}

bool any_origin(const config::gateway_section& config) {
  return std::find(config.cors_origins.begin(), config.cors_origins.end(), "*")
         != config.cors_origins.end();
}

// A list of header names as a client sent it, if it is one.
bool is_name_list(std::string_view text) {
  return text.size() <= 1'024 && std::all_of(text.begin(), text.end(), [](char c) {
           return c == ' ' || c == ',' || is_token({&c, 1});
         });
}

} // namespace

std::string_view reason_of(int status) {
  auto reason = boost::beast::http::obsolete_reason(
      boost::beast::http::int_to_status(static_cast<unsigned>(status)));
  return reason.starts_with('<') ? "Other" : std::string_view{reason.data(), reason.size()};
}

void append_clean_field(std::string& out, std::string_view name, std::string_view value) {
  out.append(name).append(": ").append(value).append("\r\n");
}

void append_field(std::string& out, std::string_view name, std::string_view value) {
  auto at = out.size() + name.size() + 2;
  append_clean_field(out, name, value);
  for (auto end = out.size() - 2; at < end; ++at) {
    auto c = static_cast<unsigned char>(out[at]);
    if ((c < 0x20 && c != '\t') || c == 0x7f)
      out[at] = ' ';
  }
}

std::string error_text(bool openai, std::string_view code, std::string_view openai_type,
                       std::string_view message, std::string_view request_id) {
  nlohmann::json error;
  error["message"] = message;
  error["code"] = code;
  if (openai) {
    error["type"] = openai_type;
    error["param"] = nullptr;
  } else {
    error["request_id"] = request_id;
  }
  return dump({{"error", std::move(error)}});
}

std::string refusal_text(refusal why, std::string_view request_id, std::string_view date) {
  const auto& row = about(why);
  auto body = error_text(false, row.name, openai_type_of(row.status), row.sentence, request_id);
  std::string out = "HTTP/1.1 " + std::to_string(row.status) + " ";
  out += reason_of(row.status);
  out += "\r\n";
  append_field(out, "Date", date);
  append_field(out, "Content-Type", "application/json");
  append_field(out, "Content-Length", std::to_string(body.size()));
  append_field(out, "X-Request-Id", request_id);
  out += "Connection: close\r\n\r\n";
  return out + body;
}

asio::awaitable<void> reply_refusal(exchange& x, refusal why, header_list headers,
                                    std::string detail) {
  const auto& row = about(why);
  auto sentence = std::string{row.sentence} + detail;
  auto body =
      error_text(x.openai_errors(), row.name, openai_type_of(row.status), sentence, x.request_id());
  co_await x.reply(row.status, "application/json", std::move(body), std::move(headers));
}

asio::awaitable<void> reply_json(exchange& x, int status, const nlohmann::json& body) {
  return x.reply(status, "application/json", dump(body));
}

asio::awaitable<void> reply_error(exchange& x, const caf::error& err) {
  const auto& row = info(err);
  header_list headers;
  if (row.retryable)
    headers.emplace_back("Retry-After", row.code == ec::draining ? "5" : "1");
  if (row.http_status == 401)
    headers.emplace_back("WWW-Authenticate", "Bearer");
  auto body =
      error_text(x.openai_errors(), row.name, row.openai_type, describe(err), x.request_id());
  co_await x.reply(row.http_status, "application/json", std::move(body), std::move(headers));
}

void append_cors(std::string& out, const exchange& x, const config::gateway_section& config) {
  if (config.cors_origins.empty())
    return;
  if (!any_origin(config))
    append_field(out, "Vary", "Origin");
  auto origin = allowed_origin(x, config);
  if (origin.empty())
    return;
  append_field(out, "Access-Control-Allow-Origin", any_origin(config) ? "*" : origin);
  if (!any_origin(config))
    append_field(out, "Access-Control-Allow-Credentials", "true");
  append_field(out, "Access-Control-Expose-Headers", "X-Request-Id, Retry-After, ETag");
}

void add_preflight(const exchange& x, const config::gateway_section& config,
                   std::string_view allowed_methods, header_list& headers) {
  if (allowed_origin(x, config).empty() || x.header("access-control-request-method").empty())
    return;
  headers.emplace_back("Access-Control-Allow-Methods", allowed_methods);
  auto wanted = x.header("access-control-request-headers");
  if (!wanted.empty() && is_name_list(wanted))
    headers.emplace_back("Access-Control-Allow-Headers", wanted);
  headers.emplace_back("Access-Control-Max-Age", "600");
}

} // namespace troupe::gateway
