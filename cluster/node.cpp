#include "cluster/node.hpp"

#include "cluster/node_files.hpp"
#include "cluster/node_parts.hpp"
#include "config/diff.hpp"
#include "gateway/ops/ask.hpp"
#include "messages/log.hpp"

#include <caf/actor.hpp>
#include <caf/actor_cast.hpp>
#include <caf/exit_reason.hpp>
#include <caf/scoped_actor.hpp>
#include <caf/send.hpp>
#include <unistd.h>

#include <chrono>
#include <condition_variable>
#include <cstdlib>
#include <thread>

namespace troupe {

namespace {

using std::chrono::milliseconds;

/// Ends the process should taking the node apart hang: it exits in bounded time, whatever happens.
class watchdog {
public:
  explicit watchdog(milliseconds limit) :
      thread_([this, limit] {
        std::unique_lock lock{mutex_};
        if (done_.wait_for(lock, limit, [this] { return finished_; }))
          return;
        log_error("shutdown_hung", {{"limit_ms", limit.count()}});
        std::_Exit(1);
      }) {}

  ~watchdog() {
    {
      std::lock_guard guard{mutex_};
      finished_ = true;
    }
    done_.notify_all();
    thread_.join();
  }

private:
  std::mutex mutex_;
  std::condition_variable done_;
  bool finished_ = false;
  std::thread thread_;
};

constexpr milliseconds teardown_limit{10'000};

template <class Handle>
void stop_actor(const Handle& handle) {
  if (handle)
    caf::anon_send_exit(caf::actor_cast<caf::actor>(handle), caf::exit_reason::user_shutdown);
}

/// Returns once it has ended: what its state uses may go then.
template <class Handle>
void end_actor(caf::actor_system& system, const Handle& handle) {
  if (!handle)
    return;
  caf::scoped_actor self{system};
  stop_actor(handle);
  self->wait_for(handle);
}

template <class Handle>
void let_go(Handle& handle) {
  Handle none;
  handle = none;
}

} // namespace

// The order of docs/architecture.md: no new work, running turns end, then what they left is
// written, then actors end, pools last.
void node::parts::drain() {
  phase = v1::NODE_PHASE_DRAINING;
  log_info("draining", {{"limit_ms", config.node.drain_limit_ms}});
  auto limit = milliseconds{config.node.drain_limit_ms};
  auto deadline_us = system_clock()->now_us() + config.node.drain_limit_ms * 1'000;
  using gateway::ops::ask_blocking;
  leave_cluster(deadline_us);
  if (http_actor) {
    v1::StopIngress stop;
    stop.set_deadline_us(deadline_us);
    ask_blocking<Done>(*system, http_actor, limit + milliseconds{1'000}, StopIngress{stop});
  }
  if (region) {
    v1::DrainRegion drain;
    drain.set_deadline_us(deadline_us);
    ask_blocking<Done>(*system, region, limit + milliseconds{1'000}, DrainRegion{drain});
  }
  if (ledger)
    ask_blocking<Done>(*system, ledger, milliseconds{5'000}, RecordUsage{}, true);
  if (keywords)
    ask_blocking<Done>(*system, keywords, milliseconds{5'000}, SaveKeywordCounts{});
  if (self.incarnation() != 0)
    change_state(v1::NODE_STATE_LEFT);
  phase = v1::NODE_PHASE_STOPPED;
}

node::parts::~parts() {
  watchdog limit{teardown_limit};
  if (ops)
    ops->stop();
  stop_actor(guardian_handle);
  for (const auto& [name, handle] : channels)
    stop_actor(handle);
  views->close();
  stop_actor(links);
  stop_actor(service);
  stop_actor(region);
  stop_actor(queries);
  end_actor(*system, upstream); // it calls into the shards
  end_actor(*system, http_actor);
  close_upstreams();
  if (http)
    http->stop();
  shards.clear();
  stop_actor(outbox);
  stop_actor(router);
  stop_actor(moderation);
  stop_actor(keywords);
  stop_actor(texts);
  stop_actor(tokenizer_desk);
  stop_actor(tokenizer);
  stop_actor(ledger);
  stop_actor(keyring);
  stop_actor(membership);
  stop_actor(authority);
  stop_actor(store);
  let_go(guardian_handle);
  channels.clear();
  let_go(http_actor);
  let_go(region);
  let_go(queries);
  let_go(links);
  let_go(service);
  let_go(membership);
  let_go(authority);
  let_go(upstream);
  let_go(outbox);
  let_go(router);
  guard.reset();
  let_go(moderation);
  let_go(keywords);
  let_go(texts);
  let_go(tokenizer_desk);
  let_go(tokenizer);
  let_go(ledger);
  let_go(keyring);
  let_go(text_store);
  let_go(store);
  http.reset();
  system.reset();
}

caf::expected<std::unique_ptr<node>> node::start(config::node_config config,
                                                 node_callbacks callbacks) {
  try {
    auto made = std::make_unique<parts>(std::move(config), std::move(callbacks));
    made->start_actors();
    made->join_cluster();
    made->start_gateway();
    made->start_links();
    made->start_ops();
    made->start_guardian();
    made->change_state(v1::NODE_STATE_UP); // where it serves is known only now: port 0 is any
    auto data_dir = made->config.node.data_dir;
    if (auto err = write_node_file(data_dir, {made->url, made->ops_url, ::getpid()}))
      return err;
    made->phase = v1::NODE_PHASE_READY;
    auto took_ms = (system_clock()->now_us() - made->started_us) / 1'000;
    log_info("ready", {{"node", made->config.node.name},
                       {"url", made->url},
                       {"ops_url", made->ops_url},
                       {"took_ms", took_ms}});
    return std::unique_ptr<node>{new node{std::move(made)}};
  } catch (const node_failure& e) {
    return e.error;
  }
}

node::node(std::unique_ptr<parts> parts) : parts_(std::move(parts)) {}

node::~node() {
  drain();
  parts_.reset();
  log_info("stopped", {});
}

const std::string& node::url() const { return parts_->url; }
const std::string& node::ops_url() const { return parts_->ops_url; }
const std::string& node::token() const { return parts_->token; }

void node::drain() {
  std::call_once(parts_->drained, [this] {
    remove_node_file(parts_->config.node.data_dir);
    parts_->drain();
  });
}

reload_result node::reload(const config::node_config& config) {
  auto changes = config::reload(parts_->config, config);
  log_level level{};
  if (parse_log_level(parts_->config.log.level, level))
    set_log_level(level);
  return {std::move(changes.applied), std::move(changes.needs_restart)};
}

} // namespace troupe
