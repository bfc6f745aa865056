#include "gateway/upstream/pool.hpp"

#include "messages/error.hpp"
#include "messages/log.hpp"

#include <boost/asio/redirect_error.hpp>
#include <boost/asio/use_awaitable.hpp>

#include <fmt/format.h>

namespace troupe::gateway {

// Deadlines.

void deadline_watch::add(upstream_link& x) {
  x.watch_index = watched_.size();
  watched_.push_back(&x);
  arm();
}

void deadline_watch::remove(upstream_link& x) {
  auto* last = watched_.back();
  watched_[x.watch_index] = last;
  last->watch_index = x.watch_index;
  watched_.pop_back();
}

void deadline_watch::arm() {
  if (armed_)
    return;
  armed_ = true;
  timer_.expires_after(resolution);
  timer_.async_wait([weak = weak_from_this()](const auto& error) {
    if (auto self = weak.lock(); self && !error)
      self->sweep();
  });
}

void deadline_watch::sweep() {
  armed_ = false;
  auto now = upstream_link::clock::now();
  for (auto* x : watched_)
    if (x->deadline <= now)
      x->expire(); // who waits on it resumes later, not in here
  if (!watched_.empty())
    arm();
}

void deadline_watch::cut_all() {
  for (auto* x : watched_)
    x->cut(cut_reason::cancelled);
}

// Connections.

upstream_pool::upstream_pool(asio::io_context& io, config::upstream_section of,
                             std::shared_ptr<deadline_watch> watch, std::shared_ptr<resolver> dns) :
    section(std::move(of)),
    io_(io),
    watch_(std::move(watch)),
    dns_(std::move(dns)),
    idle_timer_(io) {
  if (section.dialect == "demo")
    return;
  auto made = make_endpoint(section);
  if (!made) {
    unusable = made.error();
    return;
  }
  to = std::move(*made);
  if (to.tls) {
    auto tls = make_client_tls(section);
    if (!tls) {
      unusable = tls.error();
      return;
    }
    tls_ = std::move(*tls);
  }
  head_common =
      fmt::format("Host: {}\r\nUser-Agent: troupe/{}\r\n", to.host_header, TROUPE_VERSION);
  if (!to.api_key.empty())
    head_common += "Authorization: Bearer " + to.api_key + "\r\n";
}

link_ptr upstream_pool::take_idle(clock::time_point now) {
  while (!idle_.empty()) {
    auto x = std::move(idle_.back());
    idle_.pop_back();
    // One just used is good as a rule; if not, the request is sent again on a new connection.
    if (now - x->idle_since < check_after || x->still_good()) {
      x->reused = true;
      watch_->add(*x);
      return x;
    }
    --open_;
  }
  return nullptr;
}

asio::awaitable<caf::expected<link_ptr>> upstream_pool::acquire(bool fresh, cancellation& stop,
                                                                clock::time_point until) {
  auto max = static_cast<std::size_t>(std::max<std::int64_t>(section.connections_max, 1));
  bool waited = false;
  for (;;) {
    if (!fresh && (waited || waiters_.empty()))
      if (auto x = take_idle(clock::now()))
        co_return x;
    if (open_ < max && (waited || waiters_.empty()))
      break;
    if (fresh && !idle_.empty()) { // make room: the idle ones are of the same doubtful age
      idle_.pop_back();
      --open_;
      continue;
    }
    auto err = co_await wait_for_turn(stop, until);
    if (err)
      co_return err;
    waited = true;
  }
  co_return co_await dial(stop, until);
}

asio::awaitable<caf::error> upstream_pool::wait_for_turn(cancellation& stop,
                                                         clock::time_point until) {
  if (waiters_.size() >= static_cast<std::size_t>(section.connections_max))
    co_return make_error(ec::overloaded,
                         fmt::format("all {} connections to {} are in use and as many requests "
                                     "wait; try again later",
                                     open_, section.name));
  waiter self{io_};
  waiters_.push_back(&self);
  self.timer.expires_at(until);
  stop.on_cancel([&self] { self.timer.cancel(); });
  boost::system::error_code ignored;
  co_await self.timer.async_wait(asio::redirect_error(asio::use_awaitable, ignored));
  stop.on_cancel(nullptr);
  if (!self.granted) {
    std::erase(waiters_, &self);
  }
  if (self.granted && stop.cancelled())
    let_next_in();
  if (stop.cancelled() || closed_)
    co_return make_error(ec::cancelled);
  if (!self.granted)
    co_return make_error(ec::overloaded,
                         fmt::format("no connection to {} became free in time", section.name));
  co_return caf::error{};
}

void upstream_pool::let_next_in() {
  if (waiters_.empty())
    return;
  auto* next = waiters_.front();
  waiters_.pop_front();
  next->granted = true;
  next->timer.cancel();
}

asio::awaitable<caf::expected<link_ptr>> upstream_pool::dial(cancellation& stop,
                                                             clock::time_point until) {
  auto x = std::make_unique<upstream_link>(io_);
  ++open_;
  x->deadline = std::min(until, clock::now() + std::chrono::milliseconds{section.connect_limit_ms});
  watch_->add(*x);
  stop.on_cancel([raw = x.get()] { raw->cut(cut_reason::cancelled); });
  auto err = co_await x->dial(to, section.allow_private, tls_.get(), *dns_);
  stop.on_cancel(nullptr);
  if (!err)
    co_return x;
  release(std::move(x), {});
  co_return err;
}

void upstream_pool::release(link_ptr x, std::optional<clock::time_point> idle_since) {
  watch_->remove(*x);
  if (idle_since && !closed_ && x->cut() == cut_reason::none) {
    x->idle_since = *idle_since;
    x->deadline = clock::time_point::max();
    idle_.push_back(std::move(x));
    arm_idle_sweep();
  } else {
    x->close();
    --open_;
  }
  let_next_in();
}

void upstream_pool::arm_idle_sweep() {
  if (idle_armed_)
    return;
  idle_armed_ = true;
  idle_timer_.expires_after(idle_sweep);
  idle_timer_.async_wait([weak = weak_from_this()](const auto& error) {
    if (auto self = weak.lock(); self && !error)
      self->sweep_idle();
  });
}

void upstream_pool::sweep_idle() {
  idle_armed_ = false;
  auto oldest = clock::now() - std::chrono::milliseconds{section.keep_alive_ms};
  auto gone = std::erase_if(
      idle_, [&](const auto& x) { return x->idle_since < oldest || !x->still_good(); });
  open_ -= gone;
  if (!idle_.empty())
    arm_idle_sweep();
}

void upstream_pool::close() {
  closed_ = true;
  open_ -= idle_.size();
  idle_.clear();
  idle_timer_.cancel();
  for (auto* x : waiters_)
    x->timer.cancel();
}

} // namespace troupe::gateway
