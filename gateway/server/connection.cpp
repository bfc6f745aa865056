// The connection's bytes and time; what it does with requests is in connection_serve.cpp.
#include "gateway/server/connection.hpp"

#include "gateway/server/request_exchange.hpp"

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>

#include <algorithm>

namespace troupe::gateway {

namespace {

constexpr std::size_t watched_bytes_max = 16'384; // pipelined behind a running request
constexpr std::int64_t end_limit_ms = 2'000;      // for a peer to see our end

} // namespace

connection::connection(shard_site& site, tcp::socket socket, asio::ip::address remote,
                       admissions::ticket ticket) :
    site_(site),
    io_(std::move(socket), site.core.tls.get()),
    remote_(remote.to_string()),
    ticket_(std::move(ticket)),
    remote_trusted_(site.core.doors->trusted(remote)) {
  site_.guests.insert(this);
}

connection::~connection() { site_.guests.erase(this); }

void connection::start() {
  asio::co_spawn(site_.io.context(), run(shared_from_this()), asio::detached);
}

asio::awaitable<void> connection::run(std::shared_ptr<connection> self) {
  try {
    bool ready = self->keep_ && !self->gone_;
    if (self->io_.secure() && !self->handshaken_)
      ready = co_await self->handshake();
    if (ready)
      co_await self->serve_requests();
    if (!self->gone_ && !self->upgraded_ && !self->parked_)
      co_await self->end_well();
  } catch (const std::exception& e) {
    log_error("connection_failed", {{"error", e.what()}});
  }
  if (self->parked_)
    co_return;
  self->gone_ = true;
  self->x_.reset();
  self->timer::cancel();
  self->io_.close();
}

asio::awaitable<bool> connection::handshake() {
  set_due_in(due_phase, site_.core.config.header_limit_ms);
  // Its end may come after this coroutine's, when the deadline closed the socket.
  io_.handshake([self = shared_from_this()](error_code e) {
    if (e)
      self->gone_ = true;
    else
      self->handshaken_ = true;
    if (self->reader_)
      self->reader_();
  });
  // The handshake's own end wakes this; time only closes the socket.
  while (!handshaken_ && !gone_)
    co_await suspend_in(reader_);
  co_return handshaken_ && !over();
}

// Lets the peer read the answer before the connection is reset under it.
asio::awaitable<void> connection::end_well() {
  phase_ = phase::closing;
  slow_ = refusal::none;
  set_due_in(due_phase, end_limit_ms);
  co_await written();
  if (io_.secure() && !gone_) {
    // A read that is still armed would be in the way of the goodbye's own.
    if (!read_armed_) {
      io_.goodbye([self = shared_from_this()](error_code) {
        self->gone_ = true;
        if (self->reader_)
          self->reader_();
      });
      while (!gone_)
        co_await suspend_in(reader_);
    }
  } else if (!gone_ && (unread_ || !carry_.empty())) {
    io_.end_writing();
    for (bool more = true; more;)
      more = co_await receive();
  }
}

// -- reading --------------------------------------------------------------------------------------

void connection::arm_read() {
  if (read_armed_ || gone_)
    return;
  read_armed_ = true;
  io_.when_readable([self = shared_from_this()](error_code e) { self->on_readable(e); });
}

void connection::on_readable(error_code e) {
  read_armed_ = false;
  if (e) {
    left("closed");
    if (reader_)
      reader_();
    return;
  }
  if (reader_) {
    reader_();
    return;
  }
  if (phase_ != phase::handling || gone_)
    return;
  // Somebody watches for the client's end. What comes is the next request.
  error_code why;
  auto n = io_.read_some(*site_.scratch, why);
  if (n > 0)
    carry_.append(site_.scratch->data(), n);
  else if (why != asio::error::would_block)
    left("client_left");
  if (carry_.size() < watched_bytes_max)
    arm_read();
}

void connection::watch() {
  if (phase_ == phase::handling && !upgraded_ && carry_.size() < watched_bytes_max)
    arm_read();
}

asio::awaitable<bool> connection::receive() {
  while (!over()) {
    arm_read();
    co_await suspend_in(reader_);
    if (over())
      break;
    error_code e;
    auto n = io_.read_some(*site_.scratch, e);
    if (n > 0) {
      fresh_ = {site_.scratch->data(), n};
      site_.core.probe.bytes_in.fetch_add(n, std::memory_order_relaxed);
      co_return true;
    }
    if (e != asio::error::would_block)
      left("client_left");
  }
  co_return false;
}

// -- leaving --------------------------------------------------------------------------------------

void connection::left(const char* why) {
  if (std::exchange(gone_, true))
    return;
  gone_why_ = why;
  // Not from inside a write of the one who is told.
  site_.io.defer([self = shared_from_this()] { self->tell_left(); });
}

void connection::tell_left() {
  if (x_)
    x_->client_left();
  if (writer_)
    writer_();
  if (reader_)
    reader_();
  go_on();
}

void connection::stream_over() {
  stream_over_ = true;
  // Not from inside the stream that is to go.
  site_.io.defer([self = shared_from_this()] {
    if (self->stream_over_) // else its coroutine has gone on by itself
      self->go_on();
  });
}

void connection::go_on() {
  if (!std::exchange(parked_, false))
    return;
  auto self = shared_from_this();
  finish_request();
  start();
}

void connection::cut(const char* reason) {
  left(reason);
  io_.close();
}

void connection::drop_client() {
  left("dropped");
  io_.reset();
}

void connection::drain() {
  keep_ = false;
  if (phase_ == phase::idle)
    cut("draining");
}

void connection::become_websocket() {
  socket_running_ = true;
  due_ = {};
  timer::cancel();
  timer_due_ = 0;
}

// -- writing --------------------------------------------------------------------------------------

bool connection::send(std::initializer_list<std::string_view> pieces) {
  if (gone_)
    return false;
  std::size_t all = 0;
  for (auto p : pieces)
    all += p.size();
  bytes_out_ += all;
  site_.core.probe.bytes_out.fetch_add(all, std::memory_order_relaxed);
  std::size_t n = 0;
  if (!writing_) {
    error_code e;
    n = io_.try_write({pieces.begin(), pieces.size()}, e);
    if (e) {
      left("client_left");
      return false;
    }
    if (n == all)
      return true;
  }
  if (!out_)
    out_ = std::make_unique<output>();
  auto& rest = writing_ ? out_->next : out_->now;
  for (auto p : pieces) {
    auto skip = std::min(n, p.size());
    n -= skip;
    rest.append(p.substr(skip));
  }
  if (!writing_)
    pump_out();
  return false;
}

void connection::pump_out() {
  writing_ = true;
  set_due_in(due_stall, site_.core.config.write_stall_limit_ms);
  io_.write_some(
      std::string_view{out_->now}.substr(out_->at),
      [self = shared_from_this()](error_code e, std::size_t n) { self->on_written(e, n); });
}

void connection::on_written(error_code e, std::size_t n) {
  out_->at += n;
  if (e) {
    writing_ = false;
    left("client_left");
    return;
  }
  if (out_->at == out_->now.size()) {
    out_->now = std::exchange(out_->next, {});
    out_->at = 0;
  }
  if (!out_->now.empty()) {
    pump_out();
    return;
  }
  out_.reset();
  writing_ = false;
  due_[due_stall] = 0;
  if (hook_ != nullptr)
    hook_->flush();
  if (!writing_ && writer_)
    writer_();
}

asio::awaitable<bool> connection::written() {
  while (writing_ && !gone_)
    co_await suspend_in(writer_);
  co_return !gone_;
}

// -- time -----------------------------------------------------------------------------------------

void connection::set_due(due which, std::int64_t at_us) {
  due_[which] = at_us;
  if (at_us != 0 && (timer_due_ == 0 || at_us < timer_due_)) {
    timer_due_ = at_us;
    site_.io.set_timer(*this, at_us);
  }
}

void connection::set_due_in(due which, std::int64_t ms) {
  set_due(which, shard::now_us() + ms * 1'000);
}

void connection::beat_in(std::chrono::milliseconds in) { set_due_in(due_beat, in.count()); }

void connection::expired() {
  auto self = shared_from_this();
  timer_due_ = 0;
  auto now = shard::now_us();
  for (std::size_t i = 0; i < dues; ++i) {
    if (due_[i] != 0 && due_[i] <= now) {
      due_[i] = 0;
      on_due(static_cast<due>(i));
    }
  }
  for (std::size_t i = 0; i < dues; ++i)
    if (due_[i] != 0)
      set_due(static_cast<due>(i), due_[i]);
}

void connection::on_due(due which) {
  auto& probe = site_.core.probe;
  switch (which) {
    case due_stall:
      probe.writes_stalled.fetch_add(1, std::memory_order_relaxed);
      cut("stalled");
      break;
    case due_beat:
      if (hook_ != nullptr)
        hook_->heartbeat();
      break;
    case due_request:
      if (x_) {
        probe.refused[static_cast<std::size_t>(refusal::request_too_long)].fetch_add(1);
        x_->answer_too_long();
        cut("request_too_long");
      }
      break;
    case due_phase:
      if (phase_ == phase::head)
        on_slow(refusal::head_too_slow);
      else if (phase_ == phase::body)
        on_slow(refusal::body_too_slow);
      else
        cut("idle");
      break;
    case dues:
      break;
  }
}

void connection::on_slow(refusal why) {
  slow_ = why;
  if (reader_)
    reader_();
}

// As long as it arrives fast enough, a body may take until its own limit.
void connection::body_progress(std::size_t received) {
  const auto& config = site_.core.config;
  body_received_ += received;
  auto at = body_began_us_ + config.body_limit_ms * 1'000;
  if (config.body_rate_min_bytes_per_s > 0) {
    auto earned =
        static_cast<std::int64_t>(body_received_) * 1'000'000 / config.body_rate_min_bytes_per_s;
    at = std::min(at, body_began_us_ + config.header_limit_ms * 1'000 + earned);
  }
  set_due(due_phase, at);
}

} // namespace troupe::gateway
