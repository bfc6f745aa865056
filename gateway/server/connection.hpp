// One client's connection: reads its requests, has them served, writes what handlers answer.
#pragma once

#include "gateway/server/site.hpp"

#include <boost/asio/async_result.hpp>
#include <boost/asio/deferred.hpp>

#include <initializer_list>

namespace troupe::gateway {

class request_exchange;

/// Suspends a coroutine until `slot` is called.
inline auto suspend_in(unique_call<void()>& slot) {
  return asio::async_initiate<const asio::deferred_t, void()>(
      [&slot](auto handler) { slot = unique_call<void()>{std::move(handler)}; }, asio::deferred);
}

/// What a running event stream wants to know of its connection.
class stream_hook {
public:
  virtual ~stream_hook() = default;
  virtual void flush() = 0; // what was queued may be written now
  virtual void heartbeat() = 0;
};

class connection final : public std::enable_shared_from_this<connection>,
                         public guest,
                         private timer {
public:
  connection(shard_site& site, tcp::socket socket, asio::ip::address remote,
             admissions::ticket ticket);
  ~connection() override;

  /// Starts its coroutine, which keeps it alive. It ends while a stream of events runs, and is
  /// started again after that.
  void start();

  shard_site& site() { return site_; }
  transport& io() { return io_; }
  const std::string& remote() const { return remote_; }
  bool remote_trusted() const { return remote_trusted_; }

  void drain() override;
  void cut(const char* reason) override;
  bool busy() const override { return phase_ != phase::idle && !socket_running_; }
  const server_core& core() const { return site_.core; }

  // For the exchange and its streams.

  /// Watches for the client's leaving from now on.
  void watch();
  bool gone() const { return gone_; }
  const char* gone_why() const { return gone_why_; }

  /// Takes all pieces; true if the socket took them at once. What it did not take is written from
  /// now on; wait with `written`.
  bool send(std::initializer_list<std::string_view> pieces);
  /// Waits until all is written; false once the client left.
  asio::awaitable<bool> written();
  /// Bytes taken and not yet written.
  std::size_t unwritten() const {
    return out_ ? out_->now.size() - out_->at + out_->next.size() : 0;
  }
  bool writing() const { return writing_; }
  std::uint64_t bytes_out() const { return bytes_out_; }

  void hook(stream_hook* h) { hook_ = h; }
  void flush_hook() {
    if (hook_ != nullptr)
      hook_->flush();
  }
  void beat_in(std::chrono::milliseconds in);
  /// The events of the request at hand have all been written.
  void stream_over();
  /// The connection ends with this answer.
  void close_after() { keep_ = false; }
  bool keeps() const { return keep_; }
  /// Resets the connection: the client gets no answer, or not the rest of it.
  void drop_client();
  /// Its socket is a WebSocket's from now on: no limit of requests is its.
  void become_websocket();

private:
  enum class phase : std::uint8_t { idle, head, body, handling, closing };
  enum class got : std::uint8_t { request, refused, end };

  static asio::awaitable<void> run(std::shared_ptr<connection> self);
  asio::awaitable<void> serve_requests();
  asio::awaitable<bool> handshake();
  asio::awaitable<got> read_request(refusal& why); // into x_
  router::match begin_request();
  bool wants_socket(const router::match& found) const;
  asio::awaitable<void> answer(router::match& found);
  asio::awaitable<refusal> read_body(const request_head& head, std::uint64_t max,
                                     std::string& body);
  asio::awaitable<refusal> read_length(std::uint64_t length, std::string& body);
  asio::awaitable<refusal> read_chunks(std::uint64_t max, std::string& body);
  asio::awaitable<void> handle(const router::match& found);
  asio::awaitable<void> file_or_404();
  asio::awaitable<void> options_or_405(const router::match& found);
  asio::awaitable<void> refuse(refusal why, std::string detail = {});
  void refuse_head(refusal why);
  asio::awaitable<void> end_well();
  bool over() const { return gone_ || slow_ != refusal::none; }
  void left(const char* why);
  void tell_left();
  void go_on();
  std::int64_t finish_request(); // when, monotonic

  asio::awaitable<bool> receive();
  void arm_read();
  void on_readable(error_code e);
  void pump_out();
  void on_written(error_code e, std::size_t n);

  enum due : std::size_t { due_phase, due_request, due_stall, due_beat, dues };
  void set_due(due which, std::int64_t at_us);
  void set_due_in(due which, std::int64_t ms);
  void expired() override;
  void on_due(due which);
  void on_slow(refusal why);
  void body_progress(std::size_t received);

  shard_site& site_;
  transport io_;
  std::string remote_;
  std::string carry_;      // read, not used
  std::string_view fresh_; // in the shard's scratch, right after `receive`
  struct output {
    std::string now;    // being written
    std::string next;   // to be written after it
    std::size_t at = 0; // in `now`
  };
  std::unique_ptr<output> out_; // what the socket did not take at once
  unique_call<void()> reader_;
  unique_call<void()> writer_;
  stream_hook* hook_ = nullptr;
  std::unique_ptr<request_exchange> x_;
  std::array<std::int64_t, dues> due_{}; // monotonic; 0: none
  std::int64_t timer_due_ = 0;
  std::int64_t body_began_us_ = 0;
  std::uint64_t body_received_ = 0;
  std::uint64_t bytes_out_ = 0;
  const char* gone_why_ = "";
  admissions::ticket ticket_;
  refusal slow_ = refusal::none;
  phase phase_ = phase::idle;
  bool keep_ = true;
  bool gone_ = false;
  bool handshaken_ = false; // TLS
  bool read_armed_ = false;
  bool writing_ = false;
  bool unread_ = false; // of a body that was refused
  bool upgraded_ = false;
  bool parked_ = false; // no coroutine: a stream of events runs
  bool stream_over_ = false;
  bool socket_running_ = false;
  bool remote_trusted_ = false;
};

} // namespace troupe::gateway
