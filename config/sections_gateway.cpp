// The keys of `gateway:` and `ops:`.
#include "config/section_builder.hpp"

namespace troupe::config {

namespace {

void add_limits(section_builder<gateway_section>& table) {
  using s = gateway_section;
  table
      .number("connections_max", &s::connections_max, "connections", 1, 1'000'000,
              "Open at once; more wait to be accepted.")
      .number("connections_per_ip_max", &s::connections_per_ip_max, "connections", 1, 1'000'000,
              "Open at once from one address; more are closed.")
      .number("headers_max", &s::headers_max, "fields", 1, 1'000, "Header fields of a request.")
      .number("header_bytes_max", &s::header_bytes_max, "bytes", 256, 1'048'576,
              "Request line and header fields together.")
      .number("body_bytes_max", &s::body_bytes_max, "bytes", 1, gib, "A request's body.")
      .number("header_limit_ms", &s::header_limit_ms, "ms", 1, 600'000,
              "From a request's first byte to the end of its header.")
      .number("idle_limit_ms", &s::idle_limit_ms, "ms", 1, day_ms,
              "A kept-alive connection without a request is closed after so long.")
      .number("body_limit_ms", &s::body_limit_ms, "ms", 1, day_ms,
              "From the end of a request's header to the end of its body.")
      .number("body_rate_min_bytes_per_s", &s::body_rate_min_bytes_per_s, "bytes a second", 0, gib,
              "Clients that send a body slower are closed; 0: no minimum.")
      .number("request_limit_ms", &s::request_limit_ms, "ms", 1, day_ms,
              "A request's whole time; running streams are cut as well.")
      .number("write_stall_limit_ms", &s::write_stall_limit_ms, "ms", 1, day_ms,
              "A client that takes nothing for so long is closed.")
      .number("stream_queue_bytes_max", &s::stream_queue_bytes_max, "bytes", 1'024, gib,
              "Waiting for a slow reader of events, per connection; then it is cut and may resume.")
      .number("heartbeat_ms", &s::heartbeat_ms, "ms", 1, 3'600'000,
              "Between two signs of life on a silent stream of events.")
      .number("websocket_frame_bytes_max", &s::websocket_frame_bytes_max, "bytes", 126, gib,
              "A message of a WebSocket.");
}

section_info gateway_table() {
  using s = gateway_section;
  section_builder<s> table{"gateway", "The public HTTP port: /v1, /api/v1, /ws, the web app.",
                           [](node_config& c, std::size_t) -> s& { return c.gateway; }};
  table.key("listen", &s::listen, "address:port; port 0: any free one. 0.0.0.0 lets others in.")
      .check(check_listen)
      .number("shards", &s::shards, "threads", 0, 256,
              "For I/O; 0: one for every two cores, at least 1.")
      .key("tls_certificate", &s::tls_certificate,
           "PEM file with the certificate chain; empty, as tls_key: plain HTTP.")
      .example("/etc/troupe/tls.crt")
      .key("tls_key", &s::tls_key, "PEM file with its private key.")
      .example("/etc/troupe/tls.key")
      .key("static_dir", &s::static_dir, "Folder of the web app, served at /; empty: none.")
      .key("cors_origins", &s::cors_origins,
           "Origins whose pages may call the API, such as https://chat.example.com, or *.")
      .check(check_origin)
      .key("trusted_proxies", &s::trusted_proxies,
           "Addresses of reverse proxies whose X-Forwarded-For is believed.")
      .check(check_address);
  add_limits(table);
  return table.done();
}

section_info ops_table() {
  using s = ops_section;
  return section_builder<s>{"ops", "The operators' port: /metrics and /ops/v1.",
                            [](node_config& c, std::size_t) -> s& { return c.ops; }}
      .key("listen", &s::listen,
           "address:port. Beyond loopback every request needs the token, /metrics too.")
      .check(check_listen)
      .key("token", &s::token, "Bearer token; empty: the one in the token file in node.data_dir.")
      .check(check_secret)
      .secret()
      .done();
}

} // namespace

void add_gateway_sections(std::vector<section_info>& all) {
  all.push_back(gateway_table());
  all.push_back(ops_table());
}

} // namespace troupe::config
