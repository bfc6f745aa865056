// The keys of `node:`, `cluster:`, `tools:`, `log:`, `store:`, `keys:` and `ledger:`.
#include "config/section_builder.hpp"

#include <algorithm>

namespace troupe::config {

namespace {

section_info node_table() {
  using s = node_section;
  return section_builder<s>{"node", "Who this node is, and where it keeps its things.",
                            [](node_config& c, std::size_t) -> s& { return c.node; }}
      .key("name", &s::name,
           "Its name: in logs, metrics and the cluster's table; each node has its own.")
      .check(check_name)
      .key("data_dir", &s::data_dir, "Folder of the database and the token file; made if missing.")
      .number("drain_limit_ms", &s::drain_limit_ms, "ms", 1, 3'600'000,
              "How long a stop waits for running turns before it cuts them.")
      .number("threads", &s::threads, "threads", 0, 1'024,
              "Of the actors' pool; 0: one a core, at least 2.")
      .done();
}

std::string check_role(std::string_view text) {
  if (std::find(known_roles.begin(), known_roles.end(), text) != known_roles.end())
    return {};
  return "expects gateway, session, channel, tools, store or scheduler";
}

std::string check_peer(std::string_view text) {
  return text.empty() ? std::string{} : check_listen(text);
}

section_info cluster_table() {
  using s = cluster_section;
  return section_builder<s>{"cluster", "How this node meets others; see docs/operations.md.",
                            [](node_config& c, std::size_t) -> s& { return c.cluster; }}
      .key("listen", &s::listen,
           "address:port for other nodes; a free port if 7400 is in use. Beyond loopback it needs "
           "ca, certificate and key.")
      .check(check_listen)
      .key("advertise", &s::advertise, "address:port where others reach it; empty: as listen says.")
      .check(check_peer)
      .key("join", &s::join, "address:port of a node that must answer before this one joins.")
      .check(check_peer)
      .key("roles", &s::roles,
           "What it does. gateway: the public port; session: conversations; channel: accounts of "
           "platforms; tools: counting tokens, also for other nodes. store and scheduler are for "
           "later: they change nothing yet.")
      .check(check_role)
      .number("capacity", &s::capacity, "parts", 1, 1'000,
              "A node of 2 gets twice the conversations of a node of 1.")
      .key("ca", &s::ca, "PEM file of the cluster's own authority: `troupe cluster ca init`.")
      .key("certificate", &s::certificate, "PEM file: `troupe cluster ca issue NODE`.")
      .key("key", &s::key, "PEM file of its private key.")
      .number("lease_ms", &s::lease_ms, "ms", 400, 60'000,
              "A node that cannot renew its lease for so long is replaced; the same on all nodes.")
      .number("suspect_ms", &s::suspect_ms, "ms", 200, 60'000,
              "A peer that is silent for so long is suspected.")
      .number("moves_max", &s::moves_max, "shards", 1, 1'024, "On their way between nodes at once.")
      .number("leave_limit_ms", &s::leave_limit_ms, "ms", 0, 600'000,
              "A shard that moves waits so long for running turns before it takes no new ones.")
      .number("route_limit_ms", &s::route_limit_ms, "ms", 100, 600'000,
              "A request waits so long for a conversation whose node is being replaced.")
      .done();
}

section_info tools_table() {
  using s = tools_section;
  return section_builder<s>{"tools",
                            "Work that any node can do for any other, such as counting tokens.",
                            [](node_config& c, std::size_t) -> s& { return c.tools; }}
      .number("local_requests_max", &s::local_requests_max, "requests", 1, 10'000,
              "In hand here; what comes beyond goes to a node with the role tools that has less.")
      .number("local_bytes_max", &s::local_bytes_max, "bytes", 1, gib, "The same, of their texts.")
      .number("remote_bytes_min", &s::remote_bytes_min, "bytes", 0, gib,
              "Texts shorter than that are never sent to another node: the way costs more.")
      .number("serve_bytes_max", &s::serve_bytes_max, "bytes", 1, gib,
              "In hand here; more for other nodes is refused, and they ask elsewhere.")
      .number("try_limit_ms", &s::try_limit_ms, "ms", 10, 600'000,
              "How long one node may take before another is asked.")
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
      .key("backend", &s::backend,
           "The kind of database; mysql is MariaDB too. Nodes of several hosts need a server.")
      .allowed({"sqlite", "postgresql", "mysql"})
      .key("url", &s::url,
           "SQLite: a file; empty: troupe.db in node.data_dir. PostgreSQL: "
           "postgresql://user:password@host:5432/database, or key=value pairs as libpq has them. "
           "MariaDB and MySQL: mysql://user:password@host:3306/database.")
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
  all.push_back(cluster_table());
  all.push_back(tools_table());
  all.push_back(log_table());
}

void add_store_sections(std::vector<section_info>& all) {
  all.push_back(store_table());
  all.push_back(keys_table());
  all.push_back(ledger_table());
}

} // namespace troupe::config
