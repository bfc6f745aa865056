#include "gateway/api/documents.hpp"

#include "gateway/api/embedded.hpp"
#include "gateway/api/openapi.hpp"

#include <nlohmann/json.hpp>

#include <string>
#include <string_view>

namespace troupe::gateway {

namespace {

using nlohmann::json;

// Nothing from elsewhere, nothing inline: the pages are self-contained.
const header_list page_headers{{"Content-Security-Policy",
                                "default-src 'none'; script-src 'self'; style-src 'self'; "
                                "connect-src 'self'; base-uri 'none'; frame-ancestors 'none'"},
                               {"X-Content-Type-Options", "nosniff"},
                               {"Cache-Control", "max-age=300"}};

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
