#include "cluster/link/stream.hpp"

#include <boost/asio/ssl/context.hpp>
#include <boost/asio/ssl/stream.hpp>
#include <boost/asio/write.hpp>
#include <fmt/format.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>

namespace troupe::link {

namespace {

namespace ssl = asio::ssl;

class plain_stream final : public stream {
public:
  explicit plain_stream(tcp::socket socket) : socket_(std::move(socket)) {}

  tcp::socket& socket() override { return socket_; }
  void handshake(on_done done) override { done({}); }
  void read_some(asio::mutable_buffer into, on_bytes done) override {
    socket_.async_read_some(into, std::move(done));
  }
  void write_all(asio::const_buffer from, on_bytes done) override {
    asio::async_write(socket_, from, std::move(done));
  }
  bool certified(std::string_view) const override { return true; }
  std::string reason(const error_code& error) const override { return error.message(); }

private:
  tcp::socket socket_;
};

struct free_x509 {
  void operator()(X509* x) const { X509_free(x); }
  void operator()(GENERAL_NAMES* x) const { GENERAL_NAMES_free(x); }
};

/// Bytes, not a C string: a name with a zero inside is another name.
std::string_view bytes_of(const ASN1_STRING* text) {
  return {reinterpret_cast<const char*>(ASN1_STRING_get0_data(text)),
          static_cast<std::size_t>(ASN1_STRING_length(text))};
}

bool is_certificate_of(X509* certificate, std::string_view name) {
  auto* subject = X509_get_subject_name(certificate);
  for (int at = -1; (at = X509_NAME_get_index_by_NID(subject, NID_commonName, at)) >= 0;)
    if (bytes_of(X509_NAME_ENTRY_get_data(X509_NAME_get_entry(subject, at))) == name)
      return true;
  std::unique_ptr<GENERAL_NAMES, free_x509> others{static_cast<GENERAL_NAMES*>(
      X509_get_ext_d2i(certificate, NID_subject_alt_name, nullptr, nullptr))};
  for (int i = 0; others && i < sk_GENERAL_NAME_num(others.get()); ++i) {
    const auto* one = sk_GENERAL_NAME_value(others.get(), i);
    if (one->type == GEN_DNS && bytes_of(one->d.dNSName) == name)
      return true;
  }
  return false;
}

class tls_stream final : public stream {
public:
  tls_stream(tcp::socket socket, ssl::context& context, side which) :
      tls_(std::move(socket), context), side_(which) {}

  tcp::socket& socket() override { return tls_.next_layer(); }
  void handshake(on_done done) override {
    tls_.async_handshake(side_ == side::dialled ? ssl::stream_base::client
                                                : ssl::stream_base::server,
                         std::move(done));
  }
  void read_some(asio::mutable_buffer into, on_bytes done) override {
    tls_.async_read_some(into, std::move(done));
  }
  void write_all(asio::const_buffer from, on_bytes done) override {
    asio::async_write(tls_, from, std::move(done));
  }
  bool certified(std::string_view name) const override {
    auto* handle = const_cast<tls_stream*>(this)->tls_.native_handle();
    std::unique_ptr<X509, free_x509> certificate{SSL_get1_peer_certificate(handle)};
    return certificate && is_certificate_of(certificate.get(), name);
  }
  std::string reason(const error_code& error) const override {
    auto* handle = const_cast<tls_stream*>(this)->tls_.native_handle();
    auto verified = SSL_get_verify_result(handle);
    if (verified != X509_V_OK)
      return fmt::format("the other side's certificate is not trusted ({}): every node needs one "
                         "of the cluster's own authority (`troupe cluster ca issue`)",
                         X509_verify_cert_error_string(verified));
    return error.message();
  }

private:
  ssl::stream<tcp::socket> tls_;
  side side_;
};

class plain_factory final : public stream_factory {
public:
  bool plain() const override { return true; }
  std::unique_ptr<stream> make(tcp::socket socket, side) override {
    return std::make_unique<plain_stream>(std::move(socket));
  }
};

class tls_factory final : public stream_factory {
public:
  bool plain() const override { return false; }
  std::unique_ptr<stream> make(tcp::socket socket, side which) override {
    return std::make_unique<tls_stream>(std::move(socket), context_, which);
  }

  /// Nothing, or what is wrong.
  caf::error read(const link_tls& files) {
    error_code error;
    context_.load_verify_file(files.ca, error);
    if (error)
      return unreadable("the authority", "cluster.ca", files.ca, error);
    context_.use_certificate_chain_file(files.certificate, error);
    if (error)
      return unreadable("the certificate", "cluster.certificate", files.certificate, error);
    context_.use_private_key_file(files.key, ssl::context::pem, error);
    if (error)
      return unreadable("the certificate's key", "cluster.key", files.key, error);
    auto* handle = context_.native_handle();
    if (SSL_CTX_check_private_key(handle) != 1)
      return make_error(ec::config_invalid,
                        fmt::format("the key in {} does not belong to the certificate in {}",
                                    files.key, files.certificate));
    // Both sides show a certificate, and only of this authority: no default paths are read.
    context_.set_verify_mode(ssl::verify_peer | ssl::verify_fail_if_no_peer_cert);
    SSL_CTX_set_min_proto_version(handle, TLS1_3_VERSION);
    SSL_CTX_set_session_cache_mode(handle, SSL_SESS_CACHE_OFF);
    SSL_CTX_set_num_tickets(handle, 0);
    return {};
  }

private:
  static caf::error unreadable(const char* what, const char* key, const std::string& file,
                               const error_code& error) {
    ERR_clear_error();
    return make_error(ec::config_invalid,
                      fmt::format("{} of the node links cannot be read from \"{}\" ({}): set {} "
                                  "to a PEM file, as `troupe cluster ca issue` makes it",
                                  what, file, error.message(), key));
  }

  ssl::context context_{ssl::context::tls};
};

} // namespace

caf::expected<std::unique_ptr<stream_factory>> make_streams(const link_tls& tls) {
  if (tls.ca.empty() && tls.certificate.empty() && tls.key.empty())
    return std::unique_ptr<stream_factory>{std::make_unique<plain_factory>()};
  auto made = std::make_unique<tls_factory>();
  if (auto err = made->read(tls))
    return err;
  return std::unique_ptr<stream_factory>{std::move(made)};
}

} // namespace troupe::link
