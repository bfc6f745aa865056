// The bytes of a link: TCP, plain or inside TLS. Only on the links' thread.
#pragma once

#include "cluster/link/links.hpp"

#include <boost/asio/buffer.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/system/error_code.hpp>

#include <functional>
#include <memory>
#include <string>
#include <string_view>

namespace troupe::link {

namespace asio = boost::asio;
using asio::ip::tcp;
using boost::system::error_code;

enum class side { dialled, accepted };

class stream {
public:
  using on_done = std::function<void(error_code)>;
  using on_bytes = std::function<void(error_code, std::size_t)>;

  virtual ~stream() = default;
  virtual tcp::socket& socket() = 0;
  /// At most one call of each at a time. A closed socket ends them with an error.
  virtual void handshake(on_done done) = 0;
  virtual void read_some(asio::mutable_buffer into, on_bytes done) = 0;
  virtual void write_all(asio::const_buffer from, on_bytes done) = 0;
  /// Whether the peer's certificate is one of `name`, as common name or as DNS name, letter by
  /// letter. Plain: true.
  virtual bool certified(std::string_view name) const = 0;
  /// What TLS has against the peer's certificate, and what to do; else the error's own text.
  virtual std::string reason(const error_code& error) const = 0;
};

/// Makes the streams of one listener.
class stream_factory {
public:
  virtual ~stream_factory() = default;
  virtual bool plain() const = 0;
  virtual std::unique_ptr<stream> make(tcp::socket socket, side which) = 0;
};

/// Reads the files of `tls`, or makes plain streams when it names none. Errors: `config_invalid`.
caf::expected<std::unique_ptr<stream_factory>> make_streams(const link_tls& tls);

} // namespace troupe::link
