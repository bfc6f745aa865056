// A shard with its upstreams, a router that remembers outcomes, and a tokenizer that counts words.
#pragma once

#include "gateway/server/shard.hpp"
#include "gateway/upstream/resolver.hpp"
#include "gateway/upstream/upstreams.hpp"
#include "messages/system.hpp"
#include "tests/support/script_server.hpp"

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/post.hpp>
#include <caf/actor_system.hpp>

#include <future>
#include <mutex>
#include <optional>

namespace troupe::test {

/// What the fakes saw; shared with them.
struct upstream_log {
  std::mutex mutex;
  std::vector<ReportOutcome> outcomes;
  std::vector<v1::UsageRecord> records;

  std::vector<ReportOutcome> all_outcomes() {
    std::lock_guard guard{mutex};
    return outcomes;
  }
  std::vector<v1::UsageRecord> all_records() {
    std::lock_guard guard{mutex};
    return records;
  }
};

/// Routes a model to the deployments configured for it, in order; remembers outcomes.
struct fake_router_options {
  std::shared_ptr<upstream_log> log;
  std::map<std::string, v1::Route> routes; // by model
};
struct fake_router_state {
  static inline const char* name = "fake_router";
};
model_router_actor::behavior_type
fake_router(self_pointer<model_router_actor, fake_router_state> self, fake_router_options options);

/// A token is a word.
struct fake_tokenizer_state {
  static inline const char* name = "fake_tokenizer";
};
tokenizer_actor::behavior_type
fake_tokenizer(self_pointer<tokenizer_actor, fake_tokenizer_state> self);

v1::Route route_to(const std::vector<std::pair<std::string, std::string>>& targets);

struct upstream_fixture {
  upstream_fixture();
  ~upstream_fixture();

  /// (Re)makes the upstreams; `dns` empty: the system's.
  void serve(std::vector<config::upstream_section> sections,
             std::shared_ptr<gateway::resolver> dns = nullptr);

  /// An upstream section at a local address, with short limits.
  static config::upstream_section section(std::string name, std::string base_url);

  /// Runs `body` on the shard and waits for its result.
  template <class T>
  T run(asio::awaitable<T> body) {
    auto done = std::make_shared<std::promise<T>>();
    auto result = done->get_future();
    auto all = [](asio::awaitable<T> inner,
                  std::shared_ptr<std::promise<T>> to) -> asio::awaitable<void> {
      to->set_value(co_await std::move(inner));
    };
    asio::co_spawn(io->context(), all(std::move(body), done), asio::detached);
    if (result.wait_for(std::chrono::seconds{30}) != std::future_status::ready)
      throw std::runtime_error("a coroutine did not end");
    return result.get();
  }

  /// Runs `f` on the shard's thread and waits for it.
  void on_shard(std::function<void()> f);

  /// One whole call: what a client would get.
  struct result {
    int status = 0;
    std::string body;
    std::string deployment;
    std::string model;
    ec error = ec::none;      // of the call
    ec read_error = ec::none; // of the body
    std::string text;         // of the error
    std::string retry_after;
    std::chrono::milliseconds took{0};
  };
  result call(const v1::Route& route, std::string body = "{}", std::string accept = "*/*");
  /// The same, to be cancelled from outside.
  std::future<result> begin(const v1::Route& route, std::shared_ptr<gateway::cancellation> stop);

  asio::awaitable<result> call_on_shard(v1::Route route, std::string body, std::string accept,
                                        std::shared_ptr<gateway::cancellation> stop);

  std::shared_ptr<upstream_log> log = std::make_shared<upstream_log>();
  system_config config{2};
  probes all_probes; // outlives the last actor
  caf::actor_system system{config};
  actor_host host{&system, &all_probes};
  std::unique_ptr<gateway::shard> io;
  std::shared_ptr<gateway::upstreams> calls;
  model_router_actor router;
};

} // namespace troupe::test
