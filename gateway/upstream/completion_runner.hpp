// Runs completions on one shard: asks the upstream, decodes, counts, tells the sink.
#pragma once

#include "gateway/upstream/demo_pacer.hpp"
#include "gateway/upstream/dialect.hpp"
#include "gateway/upstream/upstream_service.hpp"

#include <atomic>
#include <memory>
#include <string>
#include <unordered_map>

namespace troupe::gateway {

/// One completion, from its start to its last event.
struct running_completion {
  std::string id;
  StartCompletion start; // empty once it is not needed any more
  completion_sink_actor sink;
  cancellation stop;
  bool told_started = false;
  bool told_content = false;
};

class completion_runner : public std::enable_shared_from_this<completion_runner> {
public:
  completion_runner(upstream_shard where, tokenizer_actor tokenizer,
                    std::shared_ptr<std::atomic<std::size_t>> running);

  bool on_thread() const { return where_.shard->on_thread(); }

  /// From any thread.
  void start(StartCompletion command, completion_sink_actor sink);
  void cancel(std::string completion_id);

private:
  using running_ptr = std::shared_ptr<running_completion>;

  void launch(running_ptr one);
  const config::upstream_section* demo_of(const running_completion& one) const;
  asio::awaitable<void> run_upstream(running_ptr shared);
  void run_demo(running_ptr one, const demo_options& options);
  void end(const running_ptr& one);
  asio::awaitable<void> relay(running_completion& one, upstream_answer& answer,
                              completion_decoder& decoder);
  asio::awaitable<void> finish(running_completion& one, const completion_decoder& decoder,
                               std::string_view finish_reason);
  asio::awaitable<void> fail(running_completion& one, caf::error err,
                             const completion_decoder* decoder);
  asio::awaitable<v1::Usage> count(const running_completion& one, const std::string& text);
  v1::CompletionEvents events_for(const running_completion& one) const;
  void tell_started(running_completion& one, v1::CompletionEvents& events,
                    const std::string& deployment, const std::string& model);
  void send(running_completion& one, v1::CompletionEvents events);

  upstream_shard where_;
  tokenizer_actor tokenizer_;
  std::shared_ptr<demo_pacer> demo_;
  std::shared_ptr<std::atomic<std::size_t>> count_running_;
  std::unordered_map<std::string, running_ptr> running_;
};

} // namespace troupe::gateway
