// Runs completions on one shard: asks the upstream, decodes, counts, tells the sink.
#pragma once

#include "gateway/upstream/demo_run.hpp"
#include "gateway/upstream/dialect.hpp"
#include "gateway/upstream/upstream_service.hpp"

#include <atomic>
#include <memory>
#include <string>
#include <string_view>
#include <unordered_set>
#include <utility>

namespace troupe::gateway {

/// One completion, from its start to its last event.
struct running_completion {
  struct counted {
    explicit counted(std::shared_ptr<std::atomic<std::size_t>> n) : running(std::move(n)) {}
    ~counted() {
      if (running)
        running->fetch_sub(1);
    }
    counted(counted&&) = default;
    counted& operator=(counted&&) = default;
    std::shared_ptr<std::atomic<std::size_t>> running; // this one is in it
  };

  counted count;
  std::string id;
  StartCompletion start; // empty once it is not needed any more
  completion_sink_actor sink;
  cancellation stop;
  bool told_started = false;
  bool told_content = false;
};

/// One that the demo answers in process: no bytes of any protocol in between.
class demo_completion;

class completion_runner : public std::enable_shared_from_this<completion_runner> {
public:
  completion_runner(upstream_shard where, tokenizer_actor tokenizer,
                    std::shared_ptr<std::atomic<std::size_t>> running);

  bool on_thread() const { return where_.shard->on_thread(); }

  /// From any thread.
  void start(StartCompletion command, completion_sink_actor sink);
  void cancel(std::string completion_id);

  /// Lets it end on its shard's thread, where what it runs lives.
  static void let_go(std::shared_ptr<completion_runner> runner);

private:
  friend class demo_completion;
  using running_ptr = std::shared_ptr<running_completion>;
  struct by_id {
    using is_transparent = void;
    static std::string_view id_of(std::string_view id) { return id; }
    static std::string_view id_of(const running_ptr& one) { return one->id; }
    std::size_t operator()(const auto& x) const { return std::hash<std::string_view>{}(id_of(x)); }
    bool operator()(const auto& x, const auto& y) const { return id_of(x) == id_of(y); }
  };

  void launch(running_ptr one);
  const config::upstream_section* demo_of(const running_completion& one) const;
  asio::awaitable<void> run_upstream(running_ptr shared);
  void end(const running_completion& one);
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
  std::shared_ptr<std::atomic<std::size_t>> count_running_;
  std::unordered_set<running_ptr, by_id, by_id> running_;
};

} // namespace troupe::gateway
