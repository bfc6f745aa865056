#include "gateway/api/documents.hpp"

#include "gateway/api/embedded.hpp"
#include "gateway/api/json_reader.hpp"

#include <yaml-cpp/yaml.h>

#include <charconv>

namespace troupe::gateway {

namespace {

using nlohmann::json;

// Nothing from elsewhere, nothing inline: the pages are self-contained.
const header_list page_headers{{"Content-Security-Policy",
                                "default-src 'none'; script-src 'self'; style-src 'self'; "
                                "connect-src 'self'; base-uri 'none'; frame-ancestors 'none'"},
                               {"X-Content-Type-Options", "nosniff"},
                               {"Cache-Control", "max-age=300"}};

template <class Number>
bool reads_whole(const std::string& text, Number& out) {
  const auto* end = text.data() + text.size();
  auto [stop, fault] = std::from_chars(text.data(), end, out);
  return fault == std::errc{} && stop == end;
}

json scalar_to_json(const YAML::Node& node) {
  const auto& text = node.Scalar();
  if (node.Tag() == "!") // quoted
    return text;
  if (text == "null" || text == "~" || text.empty())
    return nullptr;
  if (text == "true" || text == "false")
    return text == "true";
  std::int64_t integer = 0;
  if (reads_whole(text, integer))
    return integer;
  double number = 0;
  if (text.find_first_not_of("+-.eE0123456789") == std::string::npos && reads_whole(text, number))
    return number;
  return text;
}

json node_to_json(const YAML::Node& node) {
  switch (node.Type()) {
    case YAML::NodeType::Map: {
      auto out = json::object();
      for (const auto& entry : node)
        out[entry.first.Scalar()] = node_to_json(entry.second);
      return out;
    }
    case YAML::NodeType::Sequence: {
      auto out = json::array();
      for (const auto& entry : node)
        out.push_back(node_to_json(entry));
      return out;
    }
    case YAML::NodeType::Scalar:
      return scalar_to_json(node);
    default:
      return nullptr;
  }
}

handler serve_text(std::string_view type, std::string_view text) {
  return [type, text](exchange& x) { return x.reply(200, type, std::string{text}, page_headers); };
}

asio::awaitable<void> welcome(exchange& x) {
  if (x.header("accept").find("text/html") != std::string_view::npos) {
    co_await x.reply(200, "text/html; charset=utf-8", std::string{embedded::welcome_html},
                     page_headers);
    co_return;
  }
  json answer{{"name", "troupe"},
              {"version", TROUPE_VERSION},
              {"docs", "/docs"},
              {"openapi", "/openapi.json"},
              {"openai_base_path", "/v1"}};
  co_await reply_json(x, 200, answer);
}

asio::awaitable<void> say_healthy(exchange& x) {
  json answer{{"status", "ok"}};
  co_await reply_json(x, 200, answer);
}

asio::awaitable<void> say_ready(std::function<caf::error()> not_ready, exchange& x) {
  auto err = not_ready ? not_ready() : caf::error{};
  if (!err) {
    co_await say_healthy(x);
    co_return;
  }
  json answer{{"status", info(err).name}, {"reason", describe(err)}};
  co_await reply_json(x, 503, answer);
}

} // namespace

json yaml_to_json(std::string_view yaml) { return node_to_json(YAML::Load(std::string{yaml})); }

const std::string& openapi_json() {
  static const std::string text = [] {
    auto document = yaml_to_json(embedded::openapi_yaml);
    document["info"]["version"] = TROUPE_VERSION;
    return dump_json(document);
  }();
  return text;
}

void add_document_routes(router& routes, document_options options) {
  openapi_json(); // now, rather than on an I/O thread
  routes.add("GET", "/healthz", say_healthy);
  routes.add("GET", "/readyz", [not_ready = std::move(options.not_ready)](exchange& x) {
    return say_ready(not_ready, x);
  });
  routes.add("GET", "/openapi.json", serve_text("application/json", openapi_json()));
  routes.add("GET", "/docs", serve_text("text/html; charset=utf-8", embedded::docs_html));
  routes.add("GET", "/docs/docs.css", serve_text("text/css; charset=utf-8", embedded::docs_css));
  routes.add("GET", "/docs/docs.js",
             serve_text("text/javascript; charset=utf-8", embedded::docs_js));
  if (options.welcome)
    routes.add("GET", "/", welcome);
}

} // namespace troupe::gateway
