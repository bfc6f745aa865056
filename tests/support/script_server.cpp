#include "tests/support/script_server.hpp"

#include "tests/support/pace.hpp"

#include <boost/asio/read.hpp>
#include <boost/asio/write.hpp>

#include <poll.h>
#include <sys/socket.h>

#include <cstdlib>
#include <stdexcept>

namespace troupe::test {

using asio::ip::tcp;

peer::peer(tcp::socket socket, int number, asio::ssl::context* tls) :
    socket_(std::move(socket)), number_(number) {
  socket_.set_option(tcp::no_delay{true});
  if (tls != nullptr)
    tls_ = std::make_unique<asio::ssl::stream<tcp::socket&>>(socket_, *tls);
}

std::string peer::read_some() {
  if (tls_ && !SSL_is_init_finished(tls_->native_handle()))
    tls_->handshake(asio::ssl::stream_base::server);
  char buffer[4096];
  boost::system::error_code error;
  auto bytes = tls_ ? tls_->read_some(asio::buffer(buffer), error)
                    : socket_.read_some(asio::buffer(buffer), error);
  return {buffer, bytes};
}

std::string peer::read_request() {
  auto head_end = carry_.find("\r\n\r\n");
  for (; head_end == std::string::npos; head_end = carry_.find("\r\n\r\n")) {
    auto more = read_some();
    if (more.empty())
      return {};
    carry_ += more;
  }
  std::size_t length = 0;
  if (auto at = carry_.find("Content-Length: "); at < head_end)
    length = std::strtoul(carry_.c_str() + at + 16, nullptr, 10);
  while (carry_.size() < head_end + 4 + length) {
    auto more = read_some();
    if (more.empty())
      return {};
    carry_ += more;
  }
  auto request = carry_.substr(0, head_end + 4 + length);
  carry_.erase(0, request.size());
  return request;
}

void peer::write(std::string_view bytes) {
  if (tls_)
    asio::write(*tls_, asio::buffer(bytes));
  else
    asio::write(socket_, asio::buffer(bytes));
}

void peer::answer(int status, std::string_view body, std::string_view headers) {
  std::string text = "HTTP/1.1 " + std::to_string(status)
                     + " Status\r\nContent-Type: application/json\r\n" + std::string{headers}
                     + "Content-Length: " + std::to_string(body.size()) + "\r\n\r\n"
                     + std::string{body};
  write(text);
}

void peer::reset() {
  socket_.set_option(asio::socket_base::linger{true, 0});
  socket_.close();
}

bool peer::wait_closed(std::chrono::milliseconds limit) {
  auto until = std::chrono::steady_clock::now() + limit;
  while (std::chrono::steady_clock::now() < until) {
    pollfd waiting{socket_.native_handle(), POLLIN, 0};
    ::poll(&waiting, 1, 5);
    char byte[256];
    auto got = ::recv(socket_.native_handle(), byte, sizeof byte, MSG_DONTWAIT);
    if (got == 0 || (got < 0 && errno != EAGAIN && errno != EWOULDBLOCK))
      return true;
  }
  return false;
}

std::string peer::server_name() const {
  const char* name =
      tls_ ? SSL_get_servername(tls_->native_handle(), TLSEXT_NAMETYPE_host_name) : nullptr;
  return name != nullptr ? name : "";
}

script_server::script_server(script what, asio::ssl::context* tls) :
    acceptor_(io_, tcp::endpoint{asio::ip::address_v4::loopback(), 0}),
    script_(std::move(what)),
    tls_(tls),
    port_(acceptor_.local_endpoint().port()),
    acceptor_thread_([this] { accept_all(); }) {}

void script_server::accept_all() {
  for (;;) {
    boost::system::error_code error;
    tcp::socket socket{io_};
    acceptor_.accept(socket, error);
    if (error || closing_)
      return;
    std::lock_guard guard{mutex_};
    auto one = std::make_shared<peer>(std::move(socket), ++accepted_, tls_);
    peers_.push_back(one);
    threads_.emplace_back([this, one] {
      try {
        script_(*one);
      } catch (const std::exception&) { // the other side is gone
      }
      std::lock_guard inner{mutex_};
      boost::system::error_code ignored;
      one->socket().shutdown(tcp::socket::shutdown_both, ignored);
      one->socket().close(ignored);
    });
  }
}

script_server::~script_server() {
  closing_ = true;
  ::shutdown(acceptor_.native_handle(), SHUT_RDWR); // wakes accept
  acceptor_thread_.join();
  {
    std::lock_guard guard{mutex_};
    for (auto& one : peers_)
      if (one->socket().is_open())
        ::shutdown(one->socket().native_handle(), SHUT_RDWR);
  }
  for (auto& thread : threads_)
    thread.join();
}

std::string script_server::url(std::string_view path) const {
  return std::string{tls_ ? "https" : "http"} + "://127.0.0.1:" + std::to_string(port_)
         + std::string{path};
}

namespace {

/// Passes bytes both ways until one side closes.
void pass_on(tcp::socket& client, std::uint16_t port) {
  asio::io_context io;
  tcp::socket target{io};
  target.connect({asio::ip::address_v4::loopback(), port});
  auto pump = [](tcp::socket& from, tcp::socket& to) {
    char buffer[8192];
    boost::system::error_code error;
    while (!error) {
      auto bytes = from.read_some(asio::buffer(buffer), error);
      if (!error)
        asio::write(to, asio::buffer(buffer, bytes), error);
    }
    to.shutdown(tcp::socket::shutdown_both, error);
  };
  std::thread back{[&] { pump(target, client); }};
  pump(client, target);
  back.join();
}

void note(proxy_log& log, std::string what) {
  std::lock_guard guard{log.mutex};
  log.asked.push_back(std::move(what));
}

std::uint8_t byte_at(const std::string& text, std::size_t i) {
  return static_cast<std::uint8_t>(text.at(i));
}

std::string exactly(peer& one, std::size_t bytes) {
  std::string text(bytes, '\0');
  asio::read(one.socket(), asio::buffer(text));
  return text;
}

} // namespace

script_server::script http_proxy(proxy_log& log, std::string authorization) {
  return [&log, authorization](peer& one) {
    auto request = one.read_request();
    auto asked = request.substr(8, request.find(' ', 8) - 8);
    note(log, asked);
    if (request.substr(0, 8) != "CONNECT ")
      return one.answer(405, "");
    if (!authorization.empty()
        && request.find("Proxy-Authorization: " + authorization + "\r\n") == std::string::npos)
      return one.answer(407, "");
    one.write("HTTP/1.1 200 Connection established\r\n\r\n");
    pass_on(one.socket(),
            static_cast<std::uint16_t>(std::stoi(asked.substr(asked.rfind(':') + 1))));
  };
}

script_server::script socks5_proxy(proxy_log& log, std::string user, std::string password) {
  return [&log, user, password](peer& one) {
    auto hello = exactly(one, 2);
    auto methods = exactly(one, byte_at(hello, 1));
    if (user.empty()) {
      one.write(std::string{"\x05\x00", 2});
    } else {
      if (methods.find('\x02') == std::string::npos)
        return one.write("\x05\xff");
      one.write("\x05\x02");
      auto given_user = exactly(one, byte_at(exactly(one, 2), 1));
      auto given_password = exactly(one, byte_at(exactly(one, 1), 0));
      if (given_user != user || given_password != password)
        return one.write("\x01\x01");
      one.write(std::string{"\x01\x00", 2});
    }
    auto request = exactly(one, 4);
    std::string host;
    if (request[3] == 1)
      for (auto b : exactly(one, 4))
        host += (host.empty() ? "" : ".") + std::to_string(static_cast<std::uint8_t>(b));
    else
      host = exactly(one, byte_at(exactly(one, 1), 0));
    auto port_bytes = exactly(one, 2);
    auto port = static_cast<std::uint16_t>(byte_at(port_bytes, 0) << 8 | byte_at(port_bytes, 1));
    note(log, host + ":" + std::to_string(port));
    if (host == "refused.example")
      return one.write(std::string{"\x05\x02\x00\x01\x00\x00\x00\x00\x00\x00", 10});
    one.write(std::string{"\x05\x00\x00\x01\x00\x00\x00\x00\x00\x00", 10});
    pass_on(one.socket(), port);
  };
}

test_certificates make_certificates(const std::string& folder, const std::string& name) {
  test_certificates files{folder + "/ca.pem", folder + "/cert.pem", folder + "/key.pem"};
  auto run = [&](const std::string& arguments) {
    auto command = "cd '" + folder + "' && openssl " + arguments + " >/dev/null 2>&1";
    if (std::system(command.c_str()) != 0)
      throw std::runtime_error("openssl failed: " + arguments);
  };
  run("req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout ca.key -out ca.pem "
      "-days 2 -subj '/CN=Test CA'");
  run("req -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout key.pem -out cert.csr "
      "-subj '/CN="
      + name + "' -addext subjectAltName=DNS:" + name);
  run("x509 -req -in cert.csr -CA ca.pem -CAkey ca.key -CAcreateserial -out cert.pem -days 2 "
      "-copy_extensions copy");
  return files;
}

std::unique_ptr<asio::ssl::context> server_tls(const test_certificates& files) {
  auto context = std::make_unique<asio::ssl::context>(asio::ssl::context::tls_server);
  context->use_certificate_chain_file(files.certificate_file);
  context->use_private_key_file(files.key_file, asio::ssl::context::pem);
  return context;
}

bool eventually(const std::function<bool()>& what, std::chrono::milliseconds limit) {
  auto until = std::chrono::steady_clock::now() + slowed * limit;
  while (!what()) {
    if (std::chrono::steady_clock::now() > until)
      return false;
    std::this_thread::sleep_for(std::chrono::milliseconds{2});
  }
  return true;
}

} // namespace troupe::test
