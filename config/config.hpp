// The configuration of a node: one struct a section, with defaults. Every key ends in its unit.
// The loader (config/load.hpp) fills them from YAML, the environment and --set.
#pragma once

#include <array>
#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

namespace troupe::config {

/// `node:` who this node is, and where it keeps its things.
struct node_section {
  std::string name = "node1";
  std::string data_dir = "data"; // database, token file, sockets
  std::int64_t drain_limit_ms = 20'000;
  std::int64_t threads = 0; // of the actors' pool; 0: one a core, at least 2
};

/// `cluster:` how this node meets others.
struct cluster_section {
  std::string listen = "127.0.0.1:7400"; // for other nodes
  std::string advertise;                 // where others reach it; empty: as listen says
  std::string join;                      // a node to be reached before this one joins; empty: none
  std::vector<std::string> roles = {"gateway", "session", "channel", "tools", "store", "scheduler"};
  std::int64_t capacity = 1; // its weight in the placement of shards
  std::string ca;            // PEM files of the node links; all empty: plain, on loopback only
  std::string certificate;
  std::string key;
  std::int64_t lease_ms = 1'200;
  std::int64_t suspect_ms = 600;
  std::int64_t moves_max = 32;
  std::int64_t leave_limit_ms = 5'000;
  std::int64_t route_limit_ms = 15'000;
};

/// What a node may do, by `cluster.roles`.
inline constexpr std::array<std::string_view, 6> known_roles{"gateway", "session", "channel",
                                                             "tools",   "store",   "scheduler"};

/// `tools:` work that any node can do for any other, such as counting tokens.
struct tools_section {
  std::int64_t local_requests_max = 16; // in hand here; what comes beyond goes to other nodes
  std::int64_t local_bytes_max = 1'048'576;
  std::int64_t remote_bytes_min = 16'384;   // less is done here: the way would cost more
  std::int64_t serve_bytes_max = 8'388'608; // in hand here; more of others is refused
  std::int64_t try_limit_ms = 2'000;        // of one node; then another is asked
};

/// `log:`
struct log_section {
  std::string level = "info";  // trace debug info warn error off
  std::string format = "text"; // text json
  std::string file;            // empty: standard error
  bool access = true;          // one line a request of the public port
};

/// `gateway:` the public HTTP port.
struct gateway_section {
  std::string listen = "127.0.0.1:8080";
  std::int64_t shards = 0;     // I/O threads; 0: one for every two cores, at least 1
  std::string tls_certificate; // PEM files; both empty: plain HTTP
  std::string tls_key;
  std::string static_dir;                   // the web app; empty: none
  std::vector<std::string> cors_origins;    // exact origins, or *
  std::vector<std::string> trusted_proxies; // addresses whose X-Forwarded-For is believed
  std::int64_t connections_max = 20'000;
  std::int64_t connections_per_ip_max = 15'000;
  std::int64_t headers_max = 100;
  std::int64_t header_bytes_max = 32'768;
  std::int64_t body_bytes_max = 20'971'520;
  std::int64_t header_limit_ms = 10'000;
  std::int64_t idle_limit_ms = 75'000; // keep-alive connections without a request
  std::int64_t body_limit_ms = 120'000;
  std::int64_t body_rate_min_bytes_per_s = 1'024;
  std::int64_t request_limit_ms = 600'000;
  std::int64_t write_stall_limit_ms = 30'000;
  std::int64_t stream_queue_bytes_max = 262'144; // waiting for a slow reader, per connection
  std::int64_t heartbeat_ms = 15'000;            // of server-sent events
  std::int64_t websocket_frame_bytes_max = 1'048'576;
};

/// `ops:` the operators' port. Loopback unless told otherwise.
struct ops_section {
  std::string listen = "127.0.0.1:9400";
  std::string token; // secret; empty: the token file in the data folder
};

/// `store:`
struct store_section {
  std::string backend = "sqlite";
  std::string url;                  // secret; empty: SQLite's troupe.db in the data folder
  std::int64_t readers = 2;         // worker threads, one connection each
  std::int64_t commit_delay_ms = 5; // how long a commit gathers writes
  std::int64_t commit_rows_max = 512;
  std::int64_t queue_max = 10'000; // commands waiting; more are refused
  std::int64_t request_limit_ms = 10'000;
};

/// One of `upstreams:`, in order of priority.
struct upstream_section {
  std::string name;
  std::string dialect = "openai";               // openai demo
  std::string base_url;                         // https://host/v1
  std::string api_key;                          // secret; may be env:NAME or file:PATH
  std::string proxy;                            // http://host:port or socks5://host:port
  std::vector<std::string> models;              // names served, * as wildcard; empty: all
  std::map<std::string, std::string> model_map; // ours -> theirs
  bool allow_private = false;                   // may be at a loopback or private address
  bool tls_verify = true;
  std::string tls_ca;                   // PEM file; empty: the system's
  std::int64_t connections_max = 1'024; // per I/O shard
  std::int64_t connect_limit_ms = 5'000;
  std::int64_t first_byte_limit_ms = 60'000;
  std::int64_t idle_limit_ms = 30'000; // between two reads of a running answer
  std::int64_t total_limit_ms = 600'000;
  std::int64_t keep_alive_ms = 60'000;
  std::int64_t retries_max = 1; // on the same upstream, before the first byte
};

/// `models:` what Troupe knows of a model beyond its name; patterns with *.
struct model_section {
  std::string name;
  std::string vocabulary;
  std::int64_t context_window_tokens = 0;
};

/// `session:`
struct session_section {
  std::string default_model;               // empty: the first upstream's first
  std::string system_prompt;               // for conversations without their own
  std::int64_t queue_max = 8;              // turns waiting in one conversation
  std::int64_t history_messages_max = 200; // kept in memory
  std::int64_t history_bytes_max = 262'144;
  std::int64_t context_tokens_max = 0;        // 0: the model's window
  std::int64_t reply_tokens_reserved = 1'024; // of the window, for the answer
  std::int64_t answer_bytes_max = 1'048'576;
  std::int64_t message_bytes_max = 1'048'576;
  std::int64_t steps_max = 16;
  std::int64_t turn_limit_ms = 600'000;
  std::int64_t idle_ms = 300'000;   // without anything open: out of memory
  std::int64_t replay_ms = 120'000; // an ended turn's events can be read again for so long
  std::int64_t live_max = 200'000;  // sessions in memory
  std::int64_t attempts_max = 3;    // a turn that failed so often is given up
};

/// One of `channels.onebot:`; served at /ws/onebot/{account}.
struct onebot_section {
  std::string account;
  std::string access_token; // secret
  bool private_chats = true;
  bool group_chats = true;
  bool trigger_mention = true; // in groups
  std::vector<std::string> trigger_prefixes;
  std::string group_session = "member"; // member: one a group member; group: shared
  std::string model;
  std::string system_prompt;
  std::int64_t reply_chars_max = 1'500; // longer answers are split at sentence borders
  std::int64_t echo_limit_ms = 30'000;
  std::int64_t frame_bytes_max = 1'048'576;
};

/// `outbox:`
struct outbox_section {
  std::int64_t poll_ms = 1'000;
  std::int64_t batch_max = 64;
  std::int64_t claim_ms = 60'000;
  std::int64_t attempts_max = 10;
  std::int64_t backoff_first_ms = 500;
  std::int64_t backoff_max_ms = 60'000;
  std::int64_t age_max_ms = 86'400'000;
};

struct channels_section {
  std::vector<onebot_section> onebot;
  outbox_section outbox;
};

/// `keys:` the keyring's cache, and the ledger's buffer.
struct keys_section {
  bool required = true; // false: /v1 and /api answer without a key, on loopback only
  std::int64_t cache_max = 10'000;
  std::int64_t cache_ms = 60'000;
};

struct ledger_section {
  std::int64_t delay_ms = 100;
  std::int64_t batch_max = 1'000;
  std::int64_t buffer_max = 100'000;
};

/// `moderation:` sensitive words. The lexicons are in the database (`troupe words`); without an
/// enabled one, and without detectors, nothing is looked at.
struct moderation_section {
  bool user_text = true;  // what users write
  bool model_text = true; // what models answer
  bool api = true;        // also on /v1/*
  std::vector<std::string> folds = {"width",   "look_alikes", "letter_case", "script",
                                    "symbols", "repeats",     "pinyin"};
  bool word_borders = true;
  std::map<std::string, std::string> detectors; // link, email, phone, identity -> an action
  std::string refusal = "This message cannot be answered: it has words that are not allowed here.";
  std::int64_t poll_ms = 5'000; // between two looks for changes that nobody told of
  std::int64_t hits_buffer_max = 10'000;
};

/// `keywords:` rules that answer by themselves; they are in the database (`troupe keywords`).
struct keywords_section {
  bool enabled = true;
  bool api = false; // also in conversations of the API, not only of channels
  std::int64_t poll_ms = 5'000;
  std::int64_t cooldowns_max = 100'000;
  std::int64_t counts_save_ms = 60'000; // a node that is killed loses so much of its counts
  std::int64_t day_offset_min = 0;      // of the days in the statistics, from UTC
};

/// The whole of it.
struct node_config {
  node_section node;
  cluster_section cluster;
  tools_section tools;
  log_section log;
  gateway_section gateway;
  ops_section ops;
  store_section store;
  std::vector<upstream_section> upstreams;
  std::vector<model_section> models;
  session_section session;
  channels_section channels;
  keys_section keys;
  ledger_section ledger;
  moderation_section moderation;
  keywords_section keywords;
};

} // namespace troupe::config
