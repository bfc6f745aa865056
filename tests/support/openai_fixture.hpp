// The OpenAI-compatible API in front of the mock upstream, over real sockets, with stand-ins for
// the keyring, the router, the ledger and the tokenizer.
#pragma once

#include "gateway/mock/mock_upstream.hpp"
#include "gateway/openai/openai_routes.hpp"
#include "gateway/server/server.hpp"
#include "gateway/upstream/resolver.hpp"
#include "messages/text_guard.hpp"
#include "tests/support/upstream_fixture.hpp"

#include <nlohmann/json.hpp>

namespace troupe::test {

/// Knows one key, "sk-good"; "sk-other" lacks the scope.
struct fake_keyring_state {
  static inline const char* name = "fake_keyring";
};
keyring_actor::behavior_type fake_keyring(self_pointer<keyring_actor, fake_keyring_state> self);

/// Remembers records.
struct fake_ledger final : persistence::usage_sink {
  explicit fake_ledger(std::shared_ptr<upstream_log> to) : log(std::move(to)) {}
  void put(v1::UsageRecord&& record) override;

  std::shared_ptr<upstream_log> log;
};

/// A server in this process, of one shard.
struct test_server {
  explicit test_server(const actor_host& host);
  ~test_server();
  void start(gateway::router routes);

  gateway::gateway_probe probe;
  std::unique_ptr<gateway::server> server;
};

struct openai_fixture {
  openai_fixture();
  ~openai_fixture();

  /// Starts both servers. `mock` sets the pace of the mock; `change` may alter the upstreams `main`
  /// and `backup`, which both lead to it.
  void serve(gateway::mock_options mock = {},
             const std::function<void(std::vector<config::upstream_section>&)>& change = {});

  struct answer {
    int status = 0;
    std::string body;
    std::string content_type;
    std::map<std::string, std::string> headers; // names in lower case
    bool whole = false;                         // it ended as it said it would
    std::chrono::milliseconds took{0};
    nlohmann::json json() const { return nlohmann::json::parse(body, nullptr, false); }
    /// The data of every event.
    std::vector<std::string> events() const;
    /// What the model said in a stream.
    std::string text() const;
    bool done() const; // [DONE] came
  };
  answer post(const std::string& path, const std::string& body,
              const std::string& key = "sk-good") const;
  answer get(const std::string& path, const std::string& key = "sk-good") const;
  answer chat(const std::string& model, bool stream, const std::string& more = "") const;

  static std::string chat_body(const std::string& model, bool stream, const std::string& more = "");

  nlohmann::json mock_stats() const;
  /// The record number `i`, once it is there.
  v1::UsageRecord record(std::size_t i) const;

  text_guard_ptr guard; // of requests and answers, if any
  std::shared_ptr<upstream_log> log = std::make_shared<upstream_log>();
  system_config config{2};
  probes all_probes; // outlives the last actor
  caf::actor_system system{config};
  actor_host host{&system, &all_probes};
  /// By model; "mock", "fault-*" go to main alone, "over-X" to main as fault-X and then to backup.
  std::map<std::string, v1::Route> routes;
  std::shared_ptr<freshness> keys_fresh = std::make_shared<freshness>();
  std::shared_ptr<freshness> routes_fresh = std::make_shared<freshness>();
  gateway::kept_probe kept;
  std::unique_ptr<test_server> mock;
  std::unique_ptr<test_server> troupe;
  std::shared_ptr<gateway::upstreams> calls;
};

} // namespace troupe::test
