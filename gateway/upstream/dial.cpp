// How a connection is made: names, addresses, proxies, TLS.
#include "gateway/api/base64.hpp"
#include "gateway/upstream/egress.hpp"
#include "gateway/upstream/upstream_link.hpp"
#include "messages/error.hpp"

#include <boost/asio/post.hpp>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/ssl/host_name_verification.hpp>
#include <boost/asio/ssl/verify_mode.hpp>
#include <boost/asio/use_awaitable.hpp>

#include <fmt/format.h>
#include <openssl/err.h>
#include <openssl/ssl.h>

namespace troupe::gateway {

namespace {

namespace ssl = asio::ssl;

constexpr std::size_t addresses_tried_max = 4;
constexpr std::size_t proxy_answer_bytes_max = 16'384;

auto into(boost::system::error_code& error) {
  return asio::redirect_error(asio::use_awaitable, error);
}

/// What one host look-up waits on: shared with the resolver's thread.
struct look_up_state {
  explicit look_up_state(asio::io_context& io) : timer(io, asio::steady_timer::time_point::max()) {}
  asio::steady_timer timer;
  caf::expected<address_list> result{caf::error{}};
  bool done = false;
};

const char* socks5_text(unsigned char code) {
  static constexpr std::array texts{"",
                                    "it failed",
                                    "its rules do not allow it",
                                    "the network cannot be reached",
                                    "the host cannot be reached",
                                    "the connection was refused",
                                    "it timed out",
                                    "it does not know the command",
                                    "it does not know the address type"};
  return code < texts.size() ? texts[code] : "it failed";
}

} // namespace

caf::error upstream_link::failure(const std::string& what, error_code why) const {
  if (cut_ == cut_reason::cancelled)
    return make_error(ec::cancelled);
  if (cut_ == cut_reason::deadline)
    return make_error(ec::upstream_timeout, what + " took too long");
  return make_error(ec::upstream_unavailable, what + " failed: " + why.message());
}

asio::awaitable<caf::expected<address_list>> upstream_link::look_up(const std::string& host,
                                                                    resolver& dns) {
  auto state = std::make_shared<look_up_state>(io_);
  // `done` may come on another thread: hop to this one before touching the state.
  auto hop = [state, weak_io = &io_](const caf::expected<address_list>& result) {
    asio::post(*weak_io, [state, result] {
      state->result = result;
      state->done = true;
      state->timer.cancel();
    });
  };
  dns.resolve(host, hop);
  if (!state->done) {
    waiting_ = &state->timer;
    error_code ignored;
    co_await state->timer.async_wait(into(ignored));
    waiting_ = nullptr;
  }
  if (cut_ != cut_reason::none || !state->done)
    co_return failure("looking up " + host, asio::error::operation_aborted);
  co_return state->result;
}

asio::awaitable<caf::error> upstream_link::connect_to(const address_list& addresses,
                                                      std::uint16_t port,
                                                      const std::string& whose) {
  auto count = std::min(addresses.size(), addresses_tried_max);
  error_code error;
  for (std::size_t i = 0; i < count && cut_ == cut_reason::none; ++i) {
    auto now = clock::now();
    deadline = now + (give_up_ - now) / static_cast<int>(count - i);
    if (i + 1 == count)
      deadline = give_up_;
    asio::ip::tcp::endpoint where{addresses[i], port};
    socket_.close(error);
    socket_.open(where.protocol(), error);
    if (!error)
      co_await socket_.async_connect(where, into(error));
    if (!error && cut_ == cut_reason::none) {
      socket_.set_option(asio::ip::tcp::no_delay{true}, error);
      socket_.set_option(asio::socket_base::keep_alive{true}, error);
      socket_.non_blocking(true, error);
      ready_ = {};
      ready_.watch(socket_);
      deadline = give_up_;
      co_return caf::error{};
    }
  }
  deadline = give_up_;
  co_return failure("connecting to " + whose, error);
}

asio::awaitable<caf::error> upstream_link::dial(const endpoint& to, bool allow_private,
                                                ssl::context* tls, resolver& dns) {
  dialling_ = true;
  give_up_ = deadline;
  const bool proxied = to.proxy != proxy_kind::none;
  const auto& host = proxied ? to.proxy_host : to.host;
  // Behind a proxy the proxy looks the name up; an address is still ours to judge.
  error_code not_address;
  auto literal = asio::ip::make_address(to.host, not_address);
  address_list addresses;
  if (proxied) {
    if (is_odd_host(to.host) || (!not_address && !egress_allowed(literal, allow_private)))
      if (auto err = check_egress(to.host, {literal}, allow_private, addresses))
        co_return err;
  }
  auto found = co_await look_up(host, dns);
  if (!found)
    co_return std::move(found.error());
  if (proxied)
    addresses = std::move(*found);
  else if (auto err = check_egress(host, *found, allow_private, addresses))
    co_return err;
  // No temporaries in what is awaited: GCC 12 destroys them twice.
  std::string whose = proxied ? "proxy " + host : host;
  auto port = proxied ? to.proxy_port : to.port;
  auto err = co_await connect_to(addresses, port, whose);
  if (!err && to.proxy == proxy_kind::http)
    err = co_await pass_http_proxy(to);
  if (!err && to.proxy == proxy_kind::socks5)
    err = co_await pass_socks5_proxy(to);
  if (!err && tls != nullptr)
    err = co_await start_tls(to, *tls);
  dialling_ = false;
  co_return err;
}

asio::awaitable<caf::error> upstream_link::pass_http_proxy(const endpoint& to) {
  auto authority = to.host.find(':') != std::string::npos ? "[" + to.host + "]" : to.host;
  authority += ":" + std::to_string(to.port);
  auto request = fmt::format("CONNECT {0} HTTP/1.1\r\nHost: {0}\r\n", authority);
  if (!to.proxy_user.empty())
    request +=
        "Proxy-Authorization: Basic " + to_base64(to.proxy_user + ":" + to.proxy_password) + "\r\n";
  request += "\r\n";
  if (auto error = co_await write(request, {}))
    co_return failure("asking proxy " + to.proxy_host, error);
  std::size_t end = std::string_view::npos;
  while ((end = buffered().find("\r\n\r\n")) == std::string_view::npos) {
    if (buffered().size() > proxy_answer_bytes_max)
      co_return make_error(ec::upstream_unavailable, "the proxy's answer is too long");
    auto error = co_await fill();
    keep();
    if (error)
      co_return failure("asking proxy " + to.proxy_host, error);
  }
  auto answer = buffered();
  if (answer.size() < 12 || answer.substr(0, 7) != "HTTP/1." || answer.substr(8, 2) != " 2") {
    auto line = std::string{answer.substr(0, std::min<std::size_t>(answer.find('\r'), 80))};
    for (auto& c : line)
      c = c >= 0x20 && c < 0x7f ? c : '?';
    co_return make_error(ec::upstream_unavailable,
                         fmt::format("proxy {} refused: {}", to.proxy_host, line));
  }
  consume(end + 4);
  co_return caf::error{};
}

asio::awaitable<caf::error> upstream_link::socks5_hello(const endpoint& to) {
  const bool with_user = !to.proxy_user.empty();
  std::string hello =
      with_user ? std::string{"\x05\x02\x00\x02", 4} : std::string{"\x05\x01\x00", 3};
  if (auto error = co_await write(hello, {}))
    co_return failure("asking proxy " + to.proxy_host, error);
  if (auto error = co_await read_exactly(2))
    co_return failure("asking proxy " + to.proxy_host, error);
  auto method = static_cast<unsigned char>(buffered()[1]);
  const bool is_socks = buffered()[0] == 5;
  consume(2);
  if (!is_socks)
    co_return make_error(ec::upstream_unavailable, to.proxy_host + " is no SOCKS5 proxy");
  if (method == 0)
    co_return caf::error{};
  if (method != 2 || !with_user || to.proxy_user.size() > 255 || to.proxy_password.size() > 255)
    co_return make_error(ec::upstream_unavailable,
                         fmt::format("proxy {} wants another kind of login", to.proxy_host));
  std::string login{"\x01"};
  login += static_cast<char>(to.proxy_user.size());
  login += to.proxy_user;
  login += static_cast<char>(to.proxy_password.size());
  login += to.proxy_password;
  if (auto error = co_await write(login, {}))
    co_return failure("logging in to proxy " + to.proxy_host, error);
  if (auto error = co_await read_exactly(2))
    co_return failure("logging in to proxy " + to.proxy_host, error);
  const bool accepted = buffered()[1] == 0;
  consume(2);
  if (!accepted)
    co_return make_error(
        ec::upstream_unavailable,
        fmt::format("proxy {} does not accept the user and password", to.proxy_host));
  co_return caf::error{};
}

asio::awaitable<caf::error> upstream_link::pass_socks5_proxy(const endpoint& to) {
  if (auto err = co_await socks5_hello(to))
    co_return err;
  std::string request{"\x05\x01\x00", 3};
  error_code not_address;
  auto address = asio::ip::make_address(to.host, not_address);
  if (not_address) {
    request += '\x03';
    request += static_cast<char>(to.host.size());
    request += to.host;
  } else if (address.is_v4()) {
    auto bytes = address.to_v4().to_bytes();
    request += '\x01';
    request.append(bytes.begin(), bytes.end());
  } else {
    auto bytes = address.to_v6().to_bytes();
    request += '\x04';
    request.append(bytes.begin(), bytes.end());
  }
  request += static_cast<char>(to.port >> 8);
  request += static_cast<char>(to.port & 0xff);
  if (auto error = co_await write(request, {}))
    co_return failure("asking proxy " + to.proxy_host, error);
  if (auto error = co_await read_exactly(5))
    co_return failure("asking proxy " + to.proxy_host, error);
  auto reply = static_cast<unsigned char>(buffered()[1]);
  auto kind = buffered()[3];
  auto length = static_cast<unsigned char>(buffered()[4]);
  if (reply != 0)
    co_return make_error(ec::upstream_unavailable,
                         fmt::format("proxy {} cannot connect to {}: {}", to.proxy_host, to.host,
                                     socks5_text(reply)));
  std::size_t bound = kind == 1 ? 4 : kind == 4 ? 16 : 1u + length;
  if (auto error = co_await read_exactly(4 + bound + 2))
    co_return failure("asking proxy " + to.proxy_host, error);
  consume(4 + bound + 2);
  co_return caf::error{};
}

asio::awaitable<caf::error> upstream_link::start_tls(const endpoint& to, ssl::context& tls) {
  tls_ = std::make_unique<ssl::stream<socket_type&>>(socket_, tls);
  error_code not_address;
  asio::ip::make_address(to.host, not_address);
  if (not_address && SSL_set_tlsext_host_name(tls_->native_handle(), to.host.c_str()) != 1)
    co_return make_error(ec::upstream_unavailable, "cannot name " + to.host + " to TLS");
  if ((SSL_CTX_get_verify_mode(tls.native_handle()) & SSL_VERIFY_PEER) != 0)
    tls_->set_verify_callback(ssl::host_name_verification{to.host});
  error_code error;
  co_await tls_->async_handshake(ssl::stream_base::client, into(error));
  if (!error)
    co_return caf::error{};
  auto verified = SSL_get_verify_result(tls_->native_handle());
  if (cut_ == cut_reason::none && verified != X509_V_OK)
    co_return make_error(ec::upstream_unavailable,
                         fmt::format("the certificate of {} is not trusted: {}; set tls_ca to its "
                                     "authority's file",
                                     to.host, X509_verify_cert_error_string(verified)));
  co_return failure("the TLS handshake with " + to.host, error);
}

caf::expected<std::unique_ptr<ssl::context>>
make_client_tls(const config::upstream_section& section) {
  auto context = std::make_unique<ssl::context>(ssl::context::tls_client);
  boost::system::error_code error;
  context->set_options(ssl::context::default_workarounds | ssl::context::no_sslv2
                       | ssl::context::no_sslv3 | ssl::context::no_tlsv1
                       | ssl::context::no_tlsv1_1);
  static constexpr unsigned char http_1_1[] = "\x08http/1.1";
  SSL_CTX_set_alpn_protos(context->native_handle(), http_1_1, sizeof http_1_1 - 1);
  if (!section.tls_verify) {
    context->set_verify_mode(ssl::verify_none);
    return context;
  }
  context->set_verify_mode(ssl::verify_peer);
  if (section.tls_ca.empty())
    context->set_default_verify_paths(error);
  else
    context->load_verify_file(section.tls_ca, error);
  if (error)
    return make_error(ec::config_invalid, fmt::format("upstreams: {}: tls_ca: cannot read "
                                                      "certificates from \"{}\"",
                                                      section.name, section.tls_ca));
  return context;
}

} // namespace troupe::gateway
