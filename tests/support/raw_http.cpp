#include "tests/support/raw_http.hpp"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cctype>
#include <cstdlib>
#include <utility>

namespace troupe::test {

namespace {

using clock = std::chrono::steady_clock;

std::string lowered(std::string_view text) {
  std::string out{text};
  for (auto& c : out)
    c = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
  return out;
}

} // namespace

std::string raw_answer::field(std::string_view name) const {
  auto wanted = "\n" + lowered(name) + ":";
  auto all = lowered(head);
  auto at = all.find(wanted);
  if (at == std::string::npos)
    return {};
  at += wanted.size();
  auto end = head.find("\r\n", at);
  auto value = head.substr(at, end - at);
  value.erase(0, std::min(value.find_first_not_of(' '), value.size()));
  return value;
}

raw_client::raw_client(std::uint16_t port) {
  fd_ = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_in to{};
  to.sin_family = AF_INET;
  to.sin_port = htons(port);
  to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  if (::connect(fd_, reinterpret_cast<sockaddr*>(&to), sizeof to) != 0)
    close();
  int on = 1;
  ::setsockopt(fd_, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
}

raw_client::~raw_client() { close(); }

raw_client::raw_client(raw_client&& other) noexcept :
    fd_(std::exchange(other.fd_, -1)), ended_(other.ended_), buffer_(std::move(other.buffer_)) {}

void raw_client::close(bool reset) {
  if (fd_ < 0)
    return;
  if (reset) {
    linger now{1, 0};
    ::setsockopt(fd_, SOL_SOCKET, SO_LINGER, &now, sizeof now);
  }
  ::close(std::exchange(fd_, -1));
}

void raw_client::end_writing() { ::shutdown(fd_, SHUT_WR); }

bool raw_client::send(std::string_view bytes) {
  while (!bytes.empty()) {
    pollfd p{fd_, POLLOUT, 0};
    if (::poll(&p, 1, 5'000) <= 0)
      return false;
    auto n = ::send(fd_, bytes.data(), bytes.size(), MSG_NOSIGNAL | MSG_DONTWAIT);
    if (n < 0 && errno == EAGAIN)
      continue;
    if (n <= 0)
      return false;
    bytes.remove_prefix(static_cast<std::size_t>(n));
  }
  return true;
}

bool raw_client::fill(clock::time_point until) {
  if (ended_ || fd_ < 0)
    return false;
  auto left = std::chrono::duration_cast<std::chrono::milliseconds>(until - clock::now()).count();
  pollfd p{fd_, POLLIN, 0};
  if (::poll(&p, 1, static_cast<int>(std::max<long>(left, 0))) <= 0)
    return false;
  char bytes[16'384];
  auto n = ::recv(fd_, bytes, sizeof bytes, 0);
  if (n <= 0) {
    ended_ = true;
    return false;
  }
  buffer_.append(bytes, static_cast<std::size_t>(n));
  return true;
}

std::string raw_client::read_until(std::string_view text, std::chrono::milliseconds limit) {
  auto until = clock::now() + limit;
  for (;;) {
    auto at = buffer_.find(text);
    if (at != std::string::npos || !fill(until)) {
      auto size = at == std::string::npos ? buffer_.size() : at + text.size();
      auto out = buffer_.substr(0, size);
      buffer_.erase(0, size);
      return out;
    }
  }
}

bool raw_client::closes_within(std::chrono::milliseconds limit) {
  auto until = clock::now() + limit;
  while (fill(until))
    buffer_.clear();
  return ended_;
}

raw_answer raw_client::answer(std::chrono::milliseconds limit, bool headless) {
  auto until = clock::now() + limit;
  auto left = [&] {
    return std::max(std::chrono::milliseconds{0},
                    std::chrono::duration_cast<std::chrono::milliseconds>(until - clock::now()));
  };
  raw_answer a;
  a.head = read_until("\r\n\r\n", limit);
  while (a.head.starts_with("HTTP/1.1 100 "))
    a.head = read_until("\r\n\r\n", left());
  if (a.head.ends_with("\r\n\r\n") && a.head.starts_with("HTTP/1."))
    a.status = std::atoi(a.head.c_str() + 9);
  bool bodyless = headless || a.status == 204 || a.status == 304 || a.status < 200;
  if (lowered(a.field("transfer-encoding")) == "chunked" && !headless) {
    for (;;) {
      auto line = read_until("\r\n", left());
      auto size = std::strtoul(line.c_str(), nullptr, 16);
      while (buffer_.size() < size + 2 && fill(until))
        continue;
      a.body += buffer_.substr(0, std::min<std::size_t>(size, buffer_.size()));
      buffer_.erase(0, std::min(size + 2, buffer_.size()));
      if (size == 0)
        break;
    }
  } else if (!a.field("content-length").empty() && !bodyless) {
    auto size = std::strtoul(a.field("content-length").c_str(), nullptr, 10);
    while (buffer_.size() < size && fill(until))
      continue;
    a.body = buffer_.substr(0, size);
    buffer_.erase(0, std::min<std::size_t>(size, buffer_.size()));
  } else if (!bodyless && a.status != 0) {
    while (fill(until))
      continue;
    a.body = std::exchange(buffer_, {});
  }
  a.closed = ended_;
  return a;
}

} // namespace troupe::test
