#include "cluster/link/connection.hpp"

#include "messages/failure.hpp"
#include "messages/log.hpp"

#include <boost/asio/post.hpp>
#include <fmt/format.h>

#include <algorithm>

namespace troupe::link {

namespace {

using std::chrono::duration_cast;
using std::chrono::microseconds;
using std::chrono::milliseconds;

std::int64_t now_us() {
  return duration_cast<microseconds>(connection::clock::now().time_since_epoch()).count();
}

void add(std::atomic<std::uint64_t>& to, std::size_t count) {
  to.fetch_add(count, std::memory_order_relaxed);
}

/// Text of the other side, for logs and tables.
std::string shortened(std::string text) {
  constexpr std::size_t most = 300;
  if (text.size() > most)
    text.resize(most);
  for (auto& c : text)
    if (static_cast<unsigned char>(c) < 0x20 || c == 0x7f)
      c = ' ';
  return text;
}

} // namespace

connection::connection(connection_owner& owner, std::shared_ptr<io_thread> io,
                       std::unique_ptr<stream> bytes, std::string wanted) :
    owner_(owner),
    io_(std::move(io)),
    bytes_(std::move(bytes)),
    wanted_(std::move(wanted)),
    reader_(static_cast<std::size_t>(owner.limits().hello_bytes_max)),
    limit_(io_->context()),
    beat_(io_->context()) {}

// -- beginning ------------------------------------------------------------------------------------

void connection::dial(const tcp::endpoint& where) {
  limit(owner_.limits().connect_limit_ms, "connecting");
  auto& socket = bytes_->socket();
  error_code error;
  socket.open(where.protocol(), error);
  if (error) {
    asio::post(io_->context(),
               [self = shared_from_this(), error] { self->close(error.message()); });
    return;
  }
  socket.async_connect(where, [self = shared_from_this()](error_code e) {
    if (self->phase_ != phase::opening)
      return;
    if (e)
      self->close("connecting failed: " + e.message());
    else
      self->begin_tls();
  });
}

void connection::accept() { begin_tls(); }

void connection::begin_tls() {
  error_code ignored;
  bytes_->socket().set_option(tcp::no_delay{true}, ignored);
  limit(owner_.limits().hello_limit_ms, "the hello");
  bytes_->handshake([self = shared_from_this()](error_code e) {
    if (self->phase_ != phase::opening)
      return;
    if (e)
      self->stray("the TLS handshake failed: " + self->bytes_->reason(e));
    else
      self->say_hello();
  });
}

void connection::say_hello() {
  phase_ = phase::greeting;
  append_frame(early_, frame_kind::hello, owner_.hello());
  flush();
  read_more();
}

void connection::limit(std::int64_t ms, const char* what) {
  limit_.expires_after(milliseconds{ms});
  limit_.async_wait([self = shared_from_this(), ms, what](error_code e) {
    if (!e && self->phase_ != phase::up)
      self->close(fmt::format("{} took longer than {} ms", what, ms));
  });
}

// -- ending ---------------------------------------------------------------------------------------

void connection::close(const std::string& reason) {
  if (phase_ == phase::closed)
    return;
  auto self = shared_from_this();
  close_quietly(reason);
  owner_.closed(self);
}

void connection::close_quietly(const std::string& reason) {
  if (phase_ == phase::closed)
    return;
  phase_ = phase::closed;
  if (reason_.empty())
    reason_ = reason;
  limit_.cancel();
  beat_.cancel();
  error_code ignored;
  bytes_->socket().close(ignored);
  if (out_)
    out_->close();
}

void connection::refuse(const caf::error& why) {
  if (phase_ == phase::closed || phase_ == phase::refusing)
    return;
  add(owner_.probe().strangers_refused, 1);
  reason_ = "refused: " + describe(why);
  log_warn("link_refused", {{"peer", shortened(peer_.name())}, {"reason", describe(why)}});
  phase_ = phase::refusing;
  limit(owner_.limits().hello_limit_ms, "the refusal");
  v1::LinkRefused refused;
  *refused.mutable_failure() = failure_of(why);
  append_frame(early_, frame_kind::refused, refused);
  flush();
}

/// Who cannot be a node, or speaks nonsense.
void connection::stray(const std::string& what) {
  if (wanted_.empty() || phase_ != phase::opening)
    add(owner_.probe().strangers_refused, 1);
  close(what);
}

// -- reading --------------------------------------------------------------------------------------

void connection::read_more() {
  auto room = reader_.room();
  bytes_->read_some(
      asio::buffer(room.data(), room.size()),
      [self = shared_from_this()](error_code e, std::size_t n) { self->read_done(e, n); });
}

void connection::read_done(error_code error, std::size_t bytes) {
  if (phase_ == phase::closed)
    return;
  if (error) {
    close("the connection ended: " + error.message());
    return;
  }
  add(owner_.probe().bytes_in, bytes);
  if (phase_ == phase::refusing) {
    read_more(); // over what is left there
    return;
  }
  heard_ = clock::now();
  reader_.arrived(bytes);
  taken_frames batch;
  std::string_view frame;
  for (;;) {
    auto got = reader_.next(frame);
    if (got == frame_reader::result::more)
      break;
    if (got == frame_reader::result::too_long) {
      stray("a frame is longer than allowed: the other side is no node, or has other limits");
      return;
    }
    auto goes_on = take_frame(frame, batch);
    if (phase_ == phase::closed)
      return;
    if (!goes_on)
      break;
  }
  if (!batch.empty())
    owner_.take(*this, std::move(batch));
  if (phase_ != phase::closed)
    read_more();
}

/// False: what follows is not looked at.
bool connection::take_frame(std::string_view bytes, taken_frames& batch) {
  add(owner_.probe().frames_in, 1);
  v1::LinkFrame frame;
  if (!frame.ParseFromArray(bytes.data(), static_cast<int>(bytes.size()))) {
    stray("a frame is no message of this protocol: the other side is no node");
    return false;
  }
  auto kind = frame.kind_case();
  if (kind == v1::LinkFrame::kRefused && phase_ != phase::up) {
    refused_ = true;
    close("it refused the link: " + shortened(frame.refused().failure().message()));
    return false;
  }
  if (phase_ == phase::greeting) {
    if (kind == v1::LinkFrame::kHello)
      return take_hello(frame.hello());
    stray("it did not begin with a hello: the other side is no node");
    return false;
  }
  switch (kind) {
    case v1::LinkFrame::kBeat:
      take_beat(frame.beat());
      return true;
    case v1::LinkFrame::kCredit:
      out_->granted(frame.credit().bytes());
      return true;
    case v1::LinkFrame::kRequest:
    case v1::LinkFrame::kAnswer:
    case v1::LinkFrame::kEvents: {
      auto size = static_cast<std::int64_t>(bytes.size() + frame_length_bytes);
      out_->taken_in(size);
      // Answers need no grant: much more than was granted is still no node's doing.
      const auto& limits = owner_.limits();
      if (phase_ != phase::up
          || out_->held_bytes() > 2 * (limits.credit_bytes + limits.frame_bytes_max)) {
        stray("it sends more than it was granted");
        return false;
      }
      batch.push_back({std::move(frame), size});
      return true;
    }
    default:
      add(owner_.probe().unknown_frames, 1);
      return true;
  }
}

bool connection::take_hello(const v1::LinkHello& said) {
  peer_ = said;
  if (auto why = owner_.refusal(*this, said)) {
    refuse(*why);
    return false;
  }
  phase_ = phase::agreed;
  heard_ = clock::now();
  reader_.allow(static_cast<std::size_t>(owner_.limits().frame_bytes_max));
  make_outbox();
  beat_now();
  return true;
}

void connection::take_beat(const v1::LinkBeat& beat) {
  if (beat.answer()) {
    // The other side may send back what this one never sent.
    auto now = now_us();
    round_trip_us_ = now - std::clamp(beat.sent_us(), std::int64_t{0}, now);
  } else {
    v1::LinkBeat answer;
    answer.set_sent_us(beat.sent_us());
    answer.set_answer(true);
    out_->beat(answer);
  }
  if (phase_ == phase::agreed) {
    phase_ = phase::up;
    limit_.cancel();
    owner_.up(shared_from_this());
  }
  if (phase_ == phase::up && !beat.answer())
    owner_.beat(*this);
}

// -- writing --------------------------------------------------------------------------------------

void connection::make_outbox() {
  const auto& limits = owner_.limits();
  outbox_limits of{limits.queue_bytes_max, limits.frame_bytes_max, limits.credit_bytes};
  // Any thread may wake; only this one may hold the connection.
  auto wake = [io = io_, weak = weak_from_this()] {
    auto go = [weak] {
      if (auto self = weak.lock())
        self->flush();
    };
    if (io->on_thread())
      io->after_actors(go);
    else
      asio::post(io->context(), go);
  };
  out_ = std::make_shared<outbox>(of, wake);
  out_->granted(peer_.credit_bytes());
}

void connection::beat_now() {
  const auto& limits = owner_.limits();
  auto silent = duration_cast<milliseconds>(clock::now() - heard_).count();
  if (silent > limits.silence_limit_ms) {
    close(fmt::format("nothing was heard of it for {} ms", silent));
    return;
  }
  if (out_->overrun()) {
    close("it does not read its answers");
    return;
  }
  v1::LinkBeat beat;
  beat.set_sent_us(now_us());
  out_->beat(beat);
  beat_.expires_after(milliseconds{limits.beat_ms});
  beat_.async_wait([self = shared_from_this()](error_code e) {
    if (!e && self->phase_ != phase::closed && self->phase_ != phase::refusing)
      self->beat_now();
  });
}

void connection::flush() {
  if (busy_ || phase_ == phase::closed)
    return;
  writing_.clear();
  if (!early_.empty()) {
    writing_.swap(early_);
    add(owner_.probe().frames_out, 1);
  } else if (out_) {
    add(owner_.probe().frames_out, out_->take(writing_));
  }
  if (writing_.empty())
    return;
  busy_ = true;
  bytes_->write_all(
      asio::buffer(writing_),
      [self = shared_from_this()](error_code e, std::size_t n) { self->write_done(e, n); });
}

void connection::write_done(error_code error, std::size_t bytes) {
  busy_ = false;
  if (phase_ == phase::closed)
    return;
  add(owner_.probe().bytes_out, bytes);
  if (error) {
    close("the connection ended: " + error.message());
    return;
  }
  if (phase_ == phase::refusing && early_.empty()) {
    error_code ignored;
    bytes_->socket().shutdown(tcp::socket::shutdown_send, ignored);
    return;
  }
  flush();
}

} // namespace troupe::link
