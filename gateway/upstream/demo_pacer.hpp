// Demo replies in process: one timer for all of a shard, and little memory for each.
#pragma once

#include "gateway/upstream/demo_reply.hpp"

#include <boost/asio/io_context.hpp>
#include <boost/asio/steady_timer.hpp>

#include <chrono>
#include <functional>
#include <map>
#include <memory>
#include <string>

namespace troupe::gateway {

namespace asio = boost::asio;

/// Gives demo replies at their pace. Only on its shard's thread; owned by a shared_ptr.
class demo_pacer : public std::enable_shared_from_this<demo_pacer> {
public:
  using clock = std::chrono::steady_clock;

  explicit demo_pacer(asio::io_context& io) : io_(io) {}

  /// Called with what is due of a reply, which may be several tokens, and whether that was all.
  using listener = std::function<void(const demo_reply&, std::string text, bool ended)>;
  using ticket = std::uint64_t;

  /// The first token is due after the latency. The listener is let go when the reply has ended.
  ticket start(demo_reply reply, const demo_options& options, listener tell);

  /// Lets the listener go, and says nothing more; nothing happens if the reply has ended.
  void stop(ticket of);

private:
  struct run {
    demo_reply reply;
    listener tell;
    clock::time_point due;
    clock::duration between;
  };

  void arm();
  void on_time();
  void give(ticket of, clock::time_point now);

  asio::io_context& io_;
  std::map<ticket, run> runs_;
  std::multimap<clock::time_point, ticket> due_; // a place for each run
  ticket last_ = 0;
  std::weak_ptr<asio::steady_timer> timer_; // its handler holds it: it ends with the context
  clock::time_point armed_for_{};
};

} // namespace troupe::gateway
