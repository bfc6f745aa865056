#include "gateway/server/websocket.hpp"

#include "gateway/server/replies.hpp"
#include "gateway/server/tls_stream.hpp"
#include "gateway/server/websocket_actor.hpp"
#include "messages/id.hpp"

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/websocket/ssl.hpp>
#include <boost/beast/websocket/stream.hpp>

#include <caf/send.hpp>

#include <deque>

namespace troupe::gateway {

namespace {

namespace beast = boost::beast;
namespace ws = beast::websocket;

constexpr auto tuple = asio::as_tuple(asio::use_awaitable);
constexpr std::size_t kept_buffer_max = 4'096;
constexpr std::chrono::seconds handshake_limit{10};
constexpr std::chrono::seconds silence_limit{60}; // half of it without a frame: a ping
constexpr std::int64_t end_limit_ms = 1'000;
constexpr int code_normal = 1000;
constexpr int code_going_away = 1001;
constexpr int code_unsupported = 1003;

// What actors may say: the codes RFC 6455 lets an application send.
int sendable(int code) {
  bool good = (code >= 1000 && code <= 1014 && code != 1004 && code != 1005 && code != 1006)
              || (code >= 3000 && code <= 4999);
  return good ? code : code_normal;
}

// One WebSocket, from the handler's consent on.
template <class Stream>
class session final : public frame_sink, public guest, private timer {
public:
  session(shard_site& site, Stream stream) : site_(site), ws_(std::move(stream)) {
    const auto& config = site.core.config;
    ws_.set_option(ws::stream_base::timeout{handshake_limit, silence_limit, true});
    ws_.read_message_max(static_cast<std::size_t>(config.websocket_frame_bytes_max));
    ws_.auto_fragment(false);
    ws_.text(true);
    queue_bytes_max_ = static_cast<std::size_t>(config.stream_queue_bytes_max)
                       + static_cast<std::size_t>(config.websocket_frame_bytes_max);
    site_.guests.insert(this);
    ++site_.core.probe.sockets_open;
  }

  ~session() override {
    --site_.core.probe.sockets_open;
    site_.guests.erase(this);
  }

  // Until the end; why it ended.
  asio::awaitable<std::string> run(const beast::http::request<beast::http::empty_body>& request,
                                   const socket_handler& handle, const std::string& id) {
    auto [refused] = co_await ws_.async_accept(request, tuple);
    if (refused)
      co_return reason(refused);
    accepted_ = true;
    write_next();
    beast::flat_buffer buffer;
    for (;;) {
      auto [e, n] = co_await ws_.async_read(buffer, tuple);
      if (e) {
        co_await last_write();
        co_return reason(e);
      }
      if (!ws_.got_text()) {
        close_frame(code_unsupported, "only text frames are spoken here");
        buffer.consume(n);
        continue;
      }
      std::string text{static_cast<const char*>(buffer.data().data()), n};
      buffer.consume(n);
      if (buffer.capacity() > kept_buffer_max)
        buffer.shrink_to_fit();
      site_.core.probe.bytes_in.fetch_add(n, std::memory_order_relaxed);
      if (closing_)
        continue;
      // A write may be under way: nothing may leave this loop but by its end.
      try {
        handle.frame(id, std::move(text));
      } catch (const std::exception& x) {
        log_error("websocket_frame_failed", {{"socket_id", id}, {"error", x.what()}});
      }
    }
  }

  void send_frame(std::string text) override {
    if (closing_)
      return;
    queued_bytes_ += text.size();
    queue_.push_back(std::move(text));
    if (queued_bytes_ > queue_bytes_max_)
      cut("too slow a reader");
    else
      write_next();
  }

  void close_frame(int code, std::string why) override {
    if (closing_)
      return;
    closing_ = true;
    // 123 bytes is what a close frame holds.
    close_ = {static_cast<ws::close_code>(sendable(code)), why.substr(0, 120)};
    site_.io.set_timer(*this, std::chrono::milliseconds{end_limit_ms});
    write_next();
  }

  void drain() override {}
  bool busy() const override { return false; }
  void cut(const char* why) override {
    if (why_.empty())
      why_ = why;
    if (why_ == "draining" && accepted_) {
      close_frame(code_going_away, "the node is going away");
      return;
    }
    error_code ignored;
    beast::get_lowest_layer(ws_).close(ignored);
  }

private:
  // One write at a time; the goodbye after all that waits.
  void write_next() {
    if (writing_ || !accepted_)
      return;
    if (queue_.empty()) {
      if (closing_ && !goodbye_) {
        goodbye_ = writing_ = true;
        ws_.async_close(close_, [this](error_code) { on_written({}); });
      }
      return;
    }
    writing_ = true;
    if (!closing_)
      site_.io.set_timer(*this, std::chrono::milliseconds{site_.core.config.write_stall_limit_ms});
    ws_.async_write(asio::buffer(queue_.front()), [this](error_code e, std::size_t n) {
      site_.core.probe.bytes_out.fetch_add(n, std::memory_order_relaxed);
      queued_bytes_ -= queue_.front().size();
      queue_.pop_front();
      on_written(e);
    });
  }

  void on_written(error_code e) {
    writing_ = false;
    if (!closing_)
      timer::cancel();
    if (e) {
      queue_.clear();
      queued_bytes_ = 0;
    } else {
      write_next();
    }
    if (!writing_ && waiter_)
      waiter_();
  }

  // A write that is under way holds on to this object.
  asio::awaitable<void> last_write() {
    closing_ = goodbye_ = true;
    queue_.resize(writing_ && !queue_.empty() ? 1 : 0);
    error_code ignored;
    beast::get_lowest_layer(ws_).close(ignored);
    while (writing_)
      co_await suspend_in(waiter_);
  }

  void expired() override {
    if (!closing_)
      site_.core.probe.writes_stalled.fetch_add(1, std::memory_order_relaxed);
    cut("stalled");
    error_code ignored;
    beast::get_lowest_layer(ws_).close(ignored);
  }

  std::string reason(error_code e) const {
    if (!why_.empty())
      return why_;
    if (e == ws::error::closed) {
      auto code = std::to_string(ws_.reason().code);
      return "closed by the peer with " + code;
    }
    return e.message();
  }

  shard_site& site_;
  ws::stream<Stream> ws_;
  std::deque<std::string> queue_;
  std::size_t queued_bytes_ = 0;
  std::size_t queue_bytes_max_ = 0;
  ws::close_reason close_;
  std::string why_;
  unique_call<void()> waiter_;
  bool accepted_ = false;
  bool writing_ = false;
  bool closing_ = false;
  bool goodbye_ = false;
};

// Frames that come before the WebSocket is there: the handler may send while it decides.
class early_frames final : public frame_sink {
public:
  void send_frame(std::string text) override { frames.push_back(std::move(text)); }
  void close_frame(int code, std::string reason) override {
    closed = true;
    close_code = code;
    close_reason = std::move(reason);
  }
  std::vector<std::string> frames;
  bool closed = false;
  int close_code = 0;
  std::string close_reason;
};

// A page of another site must not open sockets with what its visitor may do here.
bool foreign_origin(const request_exchange& x, const config::gateway_section& config) {
  auto origin = x.header("origin");
  if (origin.empty())
    return false;
  for (const auto& allowed : config.cors_origins)
    if (allowed == "*" || allowed == origin)
      return false;
  auto host = origin.find("://");
  return host == origin.npos || origin.substr(host + 3) != x.header("host");
}

template <class Stream>
asio::awaitable<void> run_session(connection& c, request_exchange& x, const socket_handler& handle,
                                  Stream stream, std::shared_ptr<frame_gate> gate,
                                  early_frames& early, const std::string& id) {
  beast::http::request<beast::http::empty_body> request{beast::http::verb::get, "/", 11};
  for (const char* name :
       {"Host", "Connection", "Upgrade", "Sec-WebSocket-Key", "Sec-WebSocket-Version"})
    request.set(name, x.header(name));
  std::string why;
  {
    session<Stream> running{c.site(), std::move(stream)};
    gate->redirect(running);
    for (auto& frame : early.frames)
      running.send_frame(std::move(frame));
    if (early.closed)
      running.close_frame(early.close_code, std::move(early.close_reason));
    try {
      why = co_await running.run(request, handle, id);
    } catch (const std::exception& e) {
      why = e.what();
      log_error("websocket_failed", {{"socket_id", id}, {"error", why}});
    }
    gate->shut();
  }
  handle.closed(id, why);
}

} // namespace

asio::awaitable<bool> serve_websocket(connection& c, request_exchange& x,
                                      const socket_handler& handle, std::string_view early_bytes) {
  const auto& core = c.core();
  if (!early_bytes.empty() || x.header("sec-websocket-version") != "13"
      || x.header("sec-websocket-key").size() != 24) {
    core.probe.refused[static_cast<std::size_t>(refusal::bad_upgrade)].fetch_add(1);
    header_list headers;
    headers.emplace_back("Sec-WebSocket-Version", "13");
    co_await reply_refusal(x, refusal::bad_upgrade, std::move(headers));
    co_return false;
  }
  if (foreign_origin(x, core.config)) {
    co_await reply_error(x, make_error(ec::forbidden, "pages of this origin may not open "
                                                      "WebSockets here; see gateway.cors_origins"));
    co_return false;
  }
  auto id = new_id();
  early_frames early;
  auto gate = std::make_shared<frame_gate>(
      c.site().io.context(), early,
      static_cast<std::size_t>(core.config.stream_queue_bytes_max
                               + core.config.websocket_frame_bytes_max));
  auto actor = troupe::spawn<caf::lazy_init>(core.host, websocket, gate);
  caf::error refused;
  try {
    refused = co_await handle.open(x, actor, id);
  } catch (const std::exception& e) {
    log_error("websocket_open_failed", {{"path", x.path()}, {"error", e.what()}});
    refused = make_error(ec::internal, "the socket could not be opened; the log says why");
  }
  if (refused || c.gone()) {
    gate->shut();
    caf::anon_send_exit(actor, caf::exit_reason::user_shutdown);
    if (refused)
      co_await reply_error(x, refused);
    else
      handle.closed(id, "the peer left");
    co_return false;
  }
  c.become_websocket();
  x.accept_upgrade();
  if (c.io().secure()) {
    auto tls = c.io().take_tls();
    co_await run_session(c, x, handle, std::move(tls->stream), gate, early, id);
  } else {
    co_await run_session(c, x, handle, c.io().take_plain(), gate, early, id);
  }
  caf::anon_send_exit(actor, caf::exit_reason::user_shutdown);
  co_return true;
}

} // namespace troupe::gateway
