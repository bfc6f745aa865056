#include "gateway/server/transport.hpp"

#include "gateway/server/tls_stream.hpp"

#include <boost/asio/buffer.hpp>
#include <openssl/err.h>

#include <algorithm>
#include <cstring>
#include <stdexcept>

namespace troupe::gateway {

// -- TLS ------------------------------------------------------------------------------------------

tls_context::tls_context(const std::string& certificate_file, const std::string& key_file) :
    impl_(std::make_unique<impl>()) {
  auto& context = impl_->context;
  error_code e;
  context.set_options(asio::ssl::context::default_workarounds | asio::ssl::context::no_sslv2
                          | asio::ssl::context::no_sslv3 | asio::ssl::context::no_tlsv1
                          | asio::ssl::context::no_tlsv1_1,
                      e);
  SSL_CTX_set_mode(context.native_handle(), SSL_MODE_RELEASE_BUFFERS);
  context.use_certificate_chain_file(certificate_file, e);
  if (e)
    throw std::runtime_error("gateway.tls_certificate: " + certificate_file + ": " + e.message()
                             + ". Give a PEM file with the certificate chain.");
  context.use_private_key_file(key_file, asio::ssl::context::pem, e);
  if (e)
    throw std::runtime_error("gateway.tls_key: " + key_file + ": " + e.message()
                             + ". Give a PEM file with the key of the certificate.");
  if (SSL_CTX_check_private_key(context.native_handle()) != 1) {
    ERR_clear_error();
    throw std::runtime_error("gateway.tls_key: " + key_file + " does not belong to "
                             + certificate_file);
  }
}

tls_context::~tls_context() = default;

// -- both -----------------------------------------------------------------------------------------

transport::transport(tcp::socket socket, tls_context* tls) : socket_(std::move(socket)) {
  error_code ignored;
  socket_.set_option(tcp::no_delay{true}, ignored);
  // A stalled client would else hide behind megabytes of the kernel's buffer.
  socket_.set_option(asio::socket_base::send_buffer_size{64 * 1024}, ignored);
  socket_.non_blocking(true, ignored);
  if (tls != nullptr)
    tls_ = std::make_unique<tls_stream>(std::move(socket_), tls->impl_->context);
  else
    ready_.watch(socket_);
}

transport::~transport() = default;

void transport::handshake(unique_call<void(error_code)> done) {
  tls_->stream.async_handshake(asio::ssl::stream_base::server,
                               [d = std::move(done)](error_code e) mutable { d(e); });
}

void transport::when_readable(unique_call<void(error_code)> done) {
  if (!tls_) {
    ready_.wait(socket_, std::move(done));
    return;
  }
  tls_->stream.async_read_some(asio::buffer(tls_->read), [t = tls_.get(), d = std::move(done)](
                                                             error_code e, std::size_t n) mutable {
    if (e != asio::error::operation_aborted) {
      t->read_at = 0;
      t->read_size = n;
      t->read_error = e;
    }
    d(e == asio::error::operation_aborted ? e : error_code{});
  });
}

std::size_t transport::read_some(std::span<char> into, error_code& e) {
  if (!tls_)
    return ready_.read(socket_.native_handle(), into, e);
  auto n = std::min(into.size(), tls_->read_size - tls_->read_at);
  std::memcpy(into.data(), tls_->read.data() + tls_->read_at, n);
  tls_->read_at += n;
  if (n > 0)
    e = {};
  else if (tls_->read_error)
    e = asio::error::eof;
  else
    e = asio::error::would_block;
  return n;
}

std::size_t transport::try_write(std::span<const std::string_view> pieces, error_code& e) {
  e = {};
  if (tls_)
    return 0;
  std::array<asio::const_buffer, 4> buffers;
  auto count = std::min(pieces.size(), buffers.size());
  for (std::size_t i = 0; i < count; ++i)
    buffers[i] = asio::buffer(pieces[i].data(), pieces[i].size());
  auto n = socket_.write_some(buffers, e);
  if (e == asio::error::would_block || e == asio::error::try_again) {
    e = {};
    return 0;
  }
  return n;
}

void transport::write_some(std::string_view bytes,
                           unique_call<void(error_code, std::size_t)> done) {
  auto call = [d = std::move(done)](error_code e, std::size_t n) mutable { d(e, n); };
  if (tls_)
    tls_->stream.async_write_some(asio::buffer(bytes.data(), bytes.size()), std::move(call));
  else
    socket_.async_write_some(asio::buffer(bytes.data(), bytes.size()), std::move(call));
}

void transport::goodbye(unique_call<void(error_code)> done) {
  tls_->stream.async_shutdown([d = std::move(done)](error_code e) mutable { d(e); });
}

void transport::end_writing() {
  error_code ignored;
  if (tls_)
    tls_->stream.next_layer().shutdown(tcp::socket::shutdown_send, ignored);
  else
    socket_.shutdown(tcp::socket::shutdown_send, ignored);
}

void transport::close() {
  error_code ignored;
  if (tls_)
    tls_->stream.next_layer().close(ignored);
  else
    socket_.close(ignored);
}

void transport::reset() {
  error_code ignored;
  auto& lowest = tls_ ? tls_->stream.next_layer() : socket_;
  lowest.set_option(asio::socket_base::linger{true, 0}, ignored);
  lowest.close(ignored);
}

tcp::socket transport::take_plain() {
  ready_.hand_over(socket_);
  return std::move(socket_);
}

std::unique_ptr<transport::tls_stream> transport::take_tls() { return std::move(tls_); }

} // namespace troupe::gateway
