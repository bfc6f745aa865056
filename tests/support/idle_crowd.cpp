#include "tests/support/idle_crowd.hpp"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cstring>
#include <stdexcept>
#include <string>
#include <utility>

namespace troupe::test {

namespace {

constexpr std::uint32_t addresses = 200; // 127.0.1.1 and on

sockaddr_in address(std::uint32_t host, std::uint16_t port) {
  sockaddr_in a{};
  a.sin_family = AF_INET;
  a.sin_port = htons(port);
  a.sin_addr.s_addr = htonl(host);
  return a;
}

int connect_from(std::uint32_t host, std::uint16_t port) {
  auto fd = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  int on = 1;
  ::setsockopt(fd, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &on, sizeof on);
  auto from = address(host, 0);
  auto to = address(INADDR_LOOPBACK, port);
  if (fd < 0 || ::bind(fd, reinterpret_cast<sockaddr*>(&from), sizeof from) != 0
      || ::connect(fd, reinterpret_cast<sockaddr*>(&to), sizeof to) != 0)
    throw std::runtime_error(std::string{"cannot connect: "} + std::strerror(errno));
  return fd;
}

} // namespace

idle_crowd::idle_crowd(std::uint16_t port, std::size_t size) {
  rlimit files{};
  ::getrlimit(RLIMIT_NOFILE, &files);
  files.rlim_cur = files.rlim_max;
  ::setrlimit(RLIMIT_NOFILE, &files);
  members_.reserve(size);
  for (std::uint32_t i = 0; i < size; ++i) {
    auto host = INADDR_LOOPBACK + 256 + i % addresses;
    members_.push_back({connect_from(host, port), clock::now()});
  }
}

idle_crowd::~idle_crowd() {
  for (auto& m : members_)
    if (m.fd >= 0)
      ::close(m.fd);
}

std::size_t idle_crowd::ask(std::string_view request, std::chrono::milliseconds limit) {
  for (auto& m : members_) {
    m.since = clock::now();
    ::send(m.fd, request.data(), request.size(), MSG_NOSIGNAL);
  }
  std::size_t good = 0;
  auto until = clock::now() + limit;
  for (auto& m : members_) {
    pollfd p{m.fd, POLLIN, 0};
    auto left = std::chrono::duration_cast<std::chrono::milliseconds>(until - clock::now());
    if (::poll(&p, 1, static_cast<int>(std::max<long>(left.count(), 0))) != 1)
      continue;
    char answer[4'096];
    auto n = ::recv(m.fd, answer, sizeof answer, 0);
    if (n > 0 && std::string_view{answer, static_cast<std::size_t>(n)}.starts_with("HTTP/1.1 200"))
      ++good;
  }
  return good;
}

void idle_crowd::watch(std::chrono::milliseconds wait) {
  std::vector<pollfd> polled;
  std::vector<member*> whose;
  for (auto& m : members_) {
    if (m.fd < 0)
      continue;
    polled.push_back({m.fd, POLLIN, 0});
    whose.push_back(&m);
  }
  ::poll(polled.data(), polled.size(), static_cast<int>(wait.count()));
  auto now = clock::now();
  for (std::size_t i = 0; i < polled.size(); ++i) {
    char byte = 0;
    if (polled[i].revents == 0 || ::recv(polled[i].fd, &byte, 1, MSG_DONTWAIT) > 0)
      continue;
    ::close(std::exchange(whose[i]->fd, -1));
    auto idle = std::chrono::duration_cast<std::chrono::milliseconds>(now - whose[i]->since);
    first_close_ = std::min(first_close_, idle);
  }
}

std::size_t idle_crowd::open() {
  watch(std::chrono::milliseconds{0});
  return static_cast<std::size_t>(
      std::count_if(members_.begin(), members_.end(), [](const auto& m) { return m.fd >= 0; }));
}

} // namespace troupe::test
