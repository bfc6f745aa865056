// The keys of `node:`, `log:`, `store:`, `keys:` and `ledger:`.
#include "config/section_builder.hpp"

namespace troupe::config {

namespace {

section_info node_table() {
  using s = node_section;
  return section_builder<s>{"node", "Who this node is, and where it keeps its things.",
                            [](node_config& c, std::size_t) -> s& { return c.node; }}
      .key("name", &s::name, "Its name: in logs, metrics and later in the cluster's table.")
      .check(check_name)
      .key("data_dir", &s::data_dir, "Folder of the database and the token file; made if missing.")
      .number("drain_limit_ms", &s::drain_limit_ms, "ms", 1, 3'600'000,
              "How long a stop waits for running turns before it cuts them.")
      .number("threads", &s::threads, "threads", 0, 1'024,
              "Of the actors' pool; 0: one a core, at least 2.")
      .done();
}

section_info log_table() {
  using s = log_section;
  return section_builder<s>{"log", "One line an event.",
                            [](node_config& c, std::size_t) -> s& { return c.log; }}
      .key("level", &s::level, "Events below it are not written; can be changed while running.")
      .allowed({"trace", "debug", "info", "warn", "error", "off"})
      .reloadable()
      .key("format", &s::format, "text: key=value. json: an object a line.")
      .allowed({"text", "json"})
      .reloadable()
      .key("file", &s::file, "Where to; empty: standard error.")
      .reloadable()
      .key("access", &s::access, "One line a request of the public port.")
      .done();
}

section_info store_table() {
  using s = store_section;
  return section_builder<s>{"store", "The database: the authority for everything durable.",
                            [](node_config& c, std::size_t) -> s& { return c.store; }}
      .key("backend", &s::backend, "The kind of database.")
      .allowed({"sqlite"})
      .key("url", &s::url, "SQLite: the file; empty: troupe.db in node.data_dir.")
      .secret(secrecy::url)
      .number("readers", &s::readers, "threads", 1, 64, "For reading, one connection each.")
      .number("commit_delay_ms", &s::commit_delay_ms, "ms", 0, 1'000,
              "How long a commit gathers writes; also the least time a write takes.")
      .number("commit_rows_max", &s::commit_rows_max, "writes", 1, 100'000,
              "A commit that gathered so many does not wait longer.")
      .number("queue_max", &s::queue_max, "commands", 1, 10'000'000,
              "Waiting for the database; more are refused with 503.")
      .number("request_limit_ms", &s::request_limit_ms, "ms", 1, 600'000,
              "A command that waited so long is given up.")
      .done();
}

section_info keys_table() {
  using s = keys_section;
  return section_builder<s>{"keys", "API keys, as `troupe key create` makes them.",
                            [](node_config& c, std::size_t) -> s& { return c.keys; }}
      .key("required", &s::required,
           "false: everyone who reaches the port may use it. Only with gateway.listen on loopback.")
      .number("cache_max", &s::cache_max, "keys", 1, 10'000'000, "Held in memory.")
      .number("cache_ms", &s::cache_ms, "ms", 1, 3'600'000,
              "A key is looked up in the database again after so long.")
      .done();
}

section_info ledger_table() {
  using s = ledger_section;
  return section_builder<s>{"ledger", "Usage records on their way to the database.",
                            [](node_config& c, std::size_t) -> s& { return c.ledger; }}
      .number("delay_ms", &s::delay_ms, "ms", 0, 10'000, "How long records are gathered.")
      .number("batch_max", &s::batch_max, "records", 1, 100'000, "Written at once.")
      .number("buffer_max", &s::buffer_max, "records", 1, 10'000'000,
              "Held while the database is away; then requests are refused.")
      .done();
}

} // namespace

void add_node_sections(std::vector<section_info>& all) {
  all.push_back(node_table());
  all.push_back(log_table());
}

void add_store_sections(std::vector<section_info>& all) {
  all.push_back(store_table());
  all.push_back(keys_table());
  all.push_back(ledger_table());
}

} // namespace troupe::config
