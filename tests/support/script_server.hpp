// A TCP or TLS server that does with every connection what a test tells it to.
#pragma once

#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/ssl/context.hpp>
#include <boost/asio/ssl/stream.hpp>

#include <atomic>
#include <chrono>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

namespace troupe::test {

namespace asio = boost::asio;

/// One connection to a script_server. Its calls block; they throw once the other side is gone.
class peer {
public:
  peer(asio::ip::tcp::socket socket, int number, asio::ssl::context* tls);

  /// From 1, in the order they were accepted.
  int number() const { return number_; }
  /// The next request, head and body; empty once the other side closed.
  std::string read_request();
  std::string read_some();
  void write(std::string_view bytes);
  /// Writes a whole HTTP answer.
  void answer(int status, std::string_view body, std::string_view headers = {});
  /// Closes with a RST.
  void reset();
  /// True once the other side closed, false after `limit`.
  bool wait_closed(std::chrono::milliseconds limit);
  /// The name the client asked for by SNI.
  std::string server_name() const;

  asio::ip::tcp::socket& socket() { return socket_; }

private:
  asio::ip::tcp::socket socket_;
  std::unique_ptr<asio::ssl::stream<asio::ip::tcp::socket&>> tls_;
  std::string carry_;
  int number_;
};

/// Every connection has a thread of its own, on which the script runs.
class script_server {
public:
  using script = std::function<void(peer&)>;

  explicit script_server(script what, asio::ssl::context* tls = nullptr);
  /// Closes all connections and waits for their scripts.
  ~script_server();

  std::uint16_t port() const { return port_; }
  /// http://127.0.0.1:port + path, or https.
  std::string url(std::string_view path = "/v1") const;
  int accepted() const { return accepted_; }

private:
  void accept_all();

  asio::io_context io_;
  asio::ip::tcp::acceptor acceptor_;
  script script_;
  asio::ssl::context* tls_;
  std::uint16_t port_ = 0;
  std::atomic<int> accepted_{0};
  std::atomic<bool> closing_{false};
  std::mutex mutex_;
  std::vector<std::shared_ptr<peer>> peers_;
  std::vector<std::thread> threads_;
  std::thread acceptor_thread_;
};

/// Scripts of proxies: they pass bytes on once they let a client in. `seen` gets what each asked
/// for, as host:port.
struct proxy_log {
  std::mutex mutex;
  std::vector<std::string> asked;
  std::vector<std::string> snapshot() {
    std::lock_guard guard{mutex};
    return asked;
  }
};
/// `authorization` empty: none is needed. Names lead to 127.0.0.1.
script_server::script http_proxy(proxy_log& log, std::string authorization = {});
script_server::script socks5_proxy(proxy_log& log, std::string user = {},
                                   std::string password = {});

/// Files of a new authority, and of a certificate for `name` signed by it.
struct test_certificates {
  std::string ca_file;
  std::string certificate_file;
  std::string key_file;
};
test_certificates make_certificates(const std::string& folder, const std::string& name);
std::unique_ptr<asio::ssl::context> server_tls(const test_certificates& files);

/// Waits until `what` holds; false after `limit`, which is longer in a build with sanitizers.
bool eventually(const std::function<bool()>& what,
                std::chrono::milliseconds limit = std::chrono::seconds{10});

} // namespace troupe::test
