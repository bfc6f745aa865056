#include "cluster/signals.hpp"

#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <csignal>
#include <cstddef>
#include <cstdlib>
#include <cstring>

namespace troupe {

namespace {

sigset_t node_signals() {
  sigset_t set;
  sigemptyset(&set);
  for (int number : {SIGTERM, SIGINT, SIGHUP, SIGUSR1})
    sigaddset(&set, number);
  return set;
}

} // namespace

void block_signals() {
  auto set = node_signals();
  pthread_sigmask(SIG_BLOCK, &set, nullptr);
  std::signal(SIGPIPE, SIG_IGN);
}

node_signal wait_signal() {
  auto set = node_signals();
  int number = 0;
  while (sigwait(&set, &number) != 0) {
  }
  if (number == SIGHUP)
    return node_signal::reload;
  if (number == SIGUSR1)
    return node_signal::reopen_log;
  return node_signal::stop;
}

void wake_signal_waiter() { ::kill(::getpid(), SIGTERM); }

void send_reload_signal() { ::kill(::getpid(), SIGHUP); }

void notify_service_manager(std::string_view state) {
  const auto* path = std::getenv("NOTIFY_SOCKET");
  if (path == nullptr || *path == '\0')
    return;
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  auto length = std::strlen(path);
  if (length >= sizeof address.sun_path)
    return;
  std::memcpy(address.sun_path, path, length);
  if (path[0] == '@') // an abstract name
    address.sun_path[0] = '\0';
  auto fd = ::socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
  if (fd < 0)
    return;
  ::sendto(fd, state.data(), state.size(), MSG_NOSIGNAL, reinterpret_cast<sockaddr*>(&address),
           static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + length));
  ::close(fd);
}

} // namespace troupe
