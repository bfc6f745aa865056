// The TLS side of a transport; included by the few files that speak TLS.
#pragma once

#include "gateway/server/transport.hpp"

#include <boost/asio/ssl/context.hpp>
#include <boost/asio/ssl/stream.hpp>

#include <array>

namespace troupe::gateway {

struct tls_context::impl {
  asio::ssl::context context{asio::ssl::context::tls_server};
};

struct transport::tls_stream {
  tls_stream(tcp::socket socket, asio::ssl::context& context) :
      stream(std::move(socket), context) {}

  asio::ssl::stream<tcp::socket> stream;
  std::array<char, 4'096> read;
  std::size_t read_at = 0;
  std::size_t read_size = 0;
  error_code read_error;
};

} // namespace troupe::gateway
