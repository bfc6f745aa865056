// One connection to an upstream: plain or TLS, direct or through a proxy. Only on its shard's
// thread.
#pragma once

#include "gateway/server/readiness.hpp"
#include "gateway/upstream/endpoint.hpp"
#include "gateway/upstream/resolver.hpp"

#include <boost/asio/awaitable.hpp>
#include <boost/asio/basic_stream_socket.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/ssl/context.hpp>
#include <boost/asio/ssl/stream.hpp>
#include <boost/asio/steady_timer.hpp>

#include <chrono>
#include <cstddef>
#include <memory>
#include <string>
#include <string_view>

namespace troupe::gateway {

namespace asio = boost::asio;

/// Why a connection was cut from outside the one who uses it.
enum class cut_reason { none, deadline, cancelled };

class upstream_link {
public:
  using clock = std::chrono::steady_clock;
  using socket_type = asio::basic_stream_socket<asio::ip::tcp, asio::io_context::executor_type>;
  using error_code = boost::system::error_code;

  explicit upstream_link(asio::io_context& io) : io_(io), socket_(io) {}

  // Making it.

  /// Resolves, checks the address (rule 9), connects, passes the proxy, and shakes hands, until
  /// `deadline`. `tls` is null for plain HTTP. The error's text says what failed.
  asio::awaitable<caf::error> dial(const endpoint& to, bool allow_private, asio::ssl::context* tls,
                                   resolver& dns);

  // Using it.

  /// Writes both, the fast way first. The error is empty when all was written.
  asio::awaitable<error_code> write(std::string_view head, std::string_view body);
  /// As much of both as the socket takes at once, on plain connections; `written` says how much.
  error_code write_now(std::string_view head, std::string_view body, std::size_t& written);

  /// Reads what there is; waits for at least one byte. What is not consumed at once has to be kept
  /// before anything else runs on the thread.
  asio::awaitable<error_code> fill();
  std::string_view buffered() const {
    return fresh_.empty() ? std::string_view{in_}.substr(begin_) : fresh_;
  }
  void consume(std::size_t bytes);
  void keep();

  // Ending it.

  /// Closes the socket under whoever waits on it: they see an error, and `cut()` says why.
  void cut(cut_reason why);
  cut_reason cut() const { return cut_; }
  /// What the sweep calls once `deadline` passed.
  void expire();
  void close();

  // Keeping it.

  /// False if the peer closed it, or sent what nobody asked for. One system call.
  bool still_good();

  /// Until when what is being done must be done; looked at by the pool's sweep.
  clock::time_point deadline = clock::time_point::max();
  clock::time_point idle_since{};
  std::size_t watch_index = 0; // in the pool's list of those with a deadline
  bool reused = false;

private:
  asio::awaitable<caf::expected<address_list>> look_up(const std::string& host, resolver& dns);
  asio::awaitable<caf::error> connect_to(const address_list& addresses, std::uint16_t port,
                                         const std::string& whose);
  asio::awaitable<caf::error> pass_http_proxy(const endpoint& to);
  asio::awaitable<caf::error> pass_socks5_proxy(const endpoint& to);
  asio::awaitable<caf::error> socks5_hello(const endpoint& to);
  asio::awaitable<caf::error> start_tls(const endpoint& to, asio::ssl::context& tls);
  asio::awaitable<error_code> read_exactly(std::size_t bytes);
  caf::error failure(const std::string& what, error_code why) const;

  void take(std::string_view bytes);
  void read_now(error_code& error);

  static constexpr std::size_t read_bytes = 65'536;
  static constexpr std::size_t tls_read_bytes = 4'096;
  static constexpr std::size_t buffer_max = 131'072;

  asio::io_context& io_;
  socket_type socket_;
  readiness ready_; // without TLS
  error_code wait_error_;
  std::unique_ptr<asio::ssl::stream<socket_type&>> tls_;
  std::unique_ptr<char[]> tls_room_; // where TLS reads to
  std::string_view fresh_;           // just read, where it was read to; in_ is empty then
  std::string in_;                   // kept and not consumed, from begin_ on; else without memory
  std::size_t begin_ = 0;
  asio::steady_timer* waiting_ = nullptr; // while it waits for something that is no socket
  clock::time_point give_up_ = clock::time_point::max(); // of the dialling as a whole
  cut_reason cut_ = cut_reason::none;
  bool dialling_ = false;
};

using link_ptr = std::unique_ptr<upstream_link>;

/// A client context with the authorities of `section`; `ec::config_invalid` if its file is no good.
caf::expected<std::unique_ptr<asio::ssl::context>>
make_client_tls(const config::upstream_section& section);

} // namespace troupe::gateway
