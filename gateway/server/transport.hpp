// A connection's socket, plain or TLS. The plain way is a system call each; only TLS pays for TLS.
#pragma once

#include "gateway/server/readiness.hpp"
#include "gateway/server/unique_call.hpp"

#include <boost/asio/awaitable.hpp>
#include <boost/asio/ip/tcp.hpp>

#include <memory>
#include <span>
#include <string>
#include <string_view>

namespace troupe::gateway {

namespace asio = boost::asio;
using tcp = asio::ip::tcp;
using boost::system::error_code;

/// A server's certificate and key.
class tls_context {
public:
  /// Reads both PEM files. Throws std::runtime_error with a sentence that says what to do.
  tls_context(const std::string& certificate_file, const std::string& key_file);
  ~tls_context();

private:
  friend class transport;
  struct impl;
  std::unique_ptr<impl> impl_;
};

/// Only on its shard's thread. Callbacks get `operation_aborted` once it is closed.
class transport {
public:
  /// `tls` null: plain.
  transport(tcp::socket socket, tls_context* tls);
  ~transport();

  bool secure() const { return tls_ != nullptr; }
  tcp::socket& socket() { return socket_; }

  void handshake(unique_call<void(error_code)> done);

  /// Calls back once something (or the end) can be read. At most one at a time.
  void when_readable(unique_call<void(error_code)> done);
  /// Reads what is there; `would_block` if nothing is, `eof` at the end.
  std::size_t read_some(std::span<char> into, error_code& e);

  /// Writes what the socket takes at once, none with TLS.
  std::size_t try_write(std::span<const std::string_view> pieces, error_code& e);
  /// Writes at least a byte of it. `bytes` must stay. At most one at a time.
  void write_some(std::string_view bytes, unique_call<void(error_code, std::size_t)> done);

  /// TLS: says goodbye to the peer, whose own goodbye ends it.
  void goodbye(unique_call<void(error_code)> done);
  /// Says that nothing more will be written.
  void end_writing();
  void close();
  /// Closes by RST, so that the peer sees a broken connection and not an end.
  void reset();

  /// For protocols that go on without it: the socket is moved out.
  tcp::socket take_plain();
  struct tls_stream;
  std::unique_ptr<tls_stream> take_tls();

private:
  tcp::socket socket_;
  readiness ready_; // without TLS
  std::unique_ptr<tls_stream> tls_;
};

} // namespace troupe::gateway
