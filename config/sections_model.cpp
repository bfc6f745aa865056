// The keys of `upstreams:` and `models:`.
#include "config/section_builder.hpp"

namespace troupe::config {

namespace {

void add_limits(section_builder<upstream_section>& table) {
  using s = upstream_section;
  table
      .number("connections_max", &s::connections_max, "connections", 1, 100'000,
              "To it, per I/O thread of the gateway.")
      .number("connect_limit_ms", &s::connect_limit_ms, "ms", 1, 600'000,
              "Name look-up, connecting and the TLS handshake.")
      .number("first_byte_limit_ms", &s::first_byte_limit_ms, "ms", 1, day_ms,
              "From the request sent to the answer's first byte.")
      .number("idle_limit_ms", &s::idle_limit_ms, "ms", 1, day_ms,
              "Between two reads of a running answer.")
      .number("total_limit_ms", &s::total_limit_ms, "ms", 1, day_ms, "A whole call.")
      .number("keep_alive_ms", &s::keep_alive_ms, "ms", 0, day_ms,
              "An unused connection is closed after so long; 0: after every call.")
      .number("retries_max", &s::retries_max, "retries", 0, 10,
              "On this upstream, before the first byte reached the client.");
}

section_info upstreams_table() {
  using s = upstream_section;
  section_builder<s> table{
      "upstreams",
      "Model providers in order of priority. None: OPENAI_API_KEY and OPENAI_BASE_URL make one; "
      "without them the built-in demo answers.",
      [](node_config& c, std::size_t i) -> s& { return c.upstreams.at(i); }};
  table.list_in([](node_config& c) -> std::vector<s>& { return c.upstreams; });
  table.key("name", &s::name, "Its name in logs, metrics and routes; unique.")
      .check(check_name)
      .example("openai")
      .key("dialect", &s::dialect, "What it speaks. demo: built in, offline.")
      .allowed({"openai", "demo"})
      .key("base_url", &s::base_url,
           "Its API's root, with the version's path. Of dialect demo: how it answers, as "
           "demo://?tokens_per_s=50&tokens=200&latency_ms=100; empty: 100 tokens a second.")
      .check(check_base_url)
      .example("https://api.openai.com/v1")
      .key("api_key", &s::api_key, "As text, or env:NAME or file:PATH to read it from there.")
      .check(check_secret)
      .secret()
      .example("env:OPENAI_API_KEY")
      .key("proxy", &s::proxy, "http://host:port or socks5://host:port; empty: none.")
      .check(check_proxy)
      .secret(secrecy::url)
      .key("models", &s::models, "Names it serves, * as wildcard; empty: every name.")
      .key("model_map", &s::model_map, "Our names to its names, where they differ.")
      .key(
          "allow_private", &s::allow_private,
          "Whether it may be at a loopback or private address, such as a model server of your own.")
      .key("tls_verify", &s::tls_verify, "Whether its certificate must be good. Leave it on.")
      .key("tls_ca", &s::tls_ca, "PEM file of authorities to trust; empty: the system's.");
  add_limits(table);
  return table.done();
}

section_info models_table() {
  using s = model_section;
  return section_builder<s>{
      "models", "What Troupe should know of a model beyond its name; the first match counts.",
      [](node_config& c, std::size_t i) -> s& { return c.models.at(i); }}
      .list_in([](node_config& c) -> std::vector<s>& { return c.models; })
      .key("name", &s::name, "A model's name, * as wildcard.")
      .example("gpt-4o*")
      .key("vocabulary", &s::vocabulary,
           "Of its tokens, such as o200k_base or cl100k_base; empty: guessed from the name.")
      .number("context_window_tokens", &s::context_window_tokens, "tokens", 0, 100'000'000,
              "What it can read and write together; 0: guessed from the name.")
      .done();
}

} // namespace

void add_model_sections(std::vector<section_info>& all) {
  all.push_back(upstreams_table());
  all.push_back(models_table());
}

} // namespace troupe::config
