// The connections of one shard to one upstream: reused, bounded, closed when they grow old.
#pragma once

#include "gateway/upstream/retry.hpp"
#include "gateway/upstream/upstream_link.hpp"
#include "gateway/upstream/upstreams.hpp"

#include <boost/asio/steady_timer.hpp>

#include <deque>
#include <memory>
#include <vector>

namespace troupe::gateway {

/// Cuts connections whose deadline passed: one coarse timer for all instead of one a connection.
class deadline_watch : public std::enable_shared_from_this<deadline_watch> {
public:
  static constexpr std::chrono::milliseconds resolution{10};

  explicit deadline_watch(asio::io_context& io) : timer_(io) {}
  void add(upstream_link& x);
  void remove(upstream_link& x);
  void cut_all();

private:
  void arm();
  void sweep();

  asio::steady_timer timer_;
  std::vector<upstream_link*> watched_;
  bool armed_ = false;
};

/// One upstream. Kept alive by the calls that use it.
class upstream_pool : public std::enable_shared_from_this<upstream_pool> {
public:
  using clock = upstream_link::clock;

  upstream_pool(asio::io_context& io, config::upstream_section of,
                std::shared_ptr<deadline_watch> watch, std::shared_ptr<resolver> dns);

  const config::upstream_section section;
  endpoint to;
  caf::error unusable;     // why its configuration cannot be used
  std::string head_common; // request headers that are the same every time
  retry_budget budget;

  /// The most recently used idle connection that still seems good, or null.
  link_ptr take_idle(clock::time_point now);

  /// A connection, new if `fresh`, else idle or new; waits for one when too many are open. The
  /// error is `overloaded`, `upstream_timeout`, `cancelled` or what failed in dialling.
  asio::awaitable<caf::expected<link_ptr>> acquire(bool fresh, cancellation& stop,
                                                   clock::time_point until);

  /// Gives it back; with a time if it may be used again.
  void release(link_ptr x, std::optional<clock::time_point> idle_since);

  /// No connection is kept from now on.
  void close();

  upstreams::counts count() const { return {open_, idle_.size(), waiters_.size()}; }

private:
  struct waiter {
    explicit waiter(asio::io_context& io) : timer(io) {}
    asio::steady_timer timer;
    bool granted = false;
  };

  asio::awaitable<caf::error> wait_for_turn(cancellation& stop, clock::time_point until);
  asio::awaitable<caf::expected<link_ptr>> dial(cancellation& stop, clock::time_point until);
  void let_next_in();
  void arm_idle_sweep();
  void sweep_idle();

  static constexpr std::chrono::milliseconds check_after{50};
  static constexpr std::chrono::seconds idle_sweep{1};

  asio::io_context& io_;
  std::shared_ptr<deadline_watch> watch_;
  std::shared_ptr<resolver> dns_;
  std::unique_ptr<asio::ssl::context> tls_;
  std::vector<link_ptr> idle_;
  std::deque<waiter*> waiters_;
  asio::steady_timer idle_timer_;
  std::size_t open_ = 0;
  bool idle_armed_ = false;
  bool closed_ = false;
};

} // namespace troupe::gateway
