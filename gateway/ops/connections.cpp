#include "gateway/ops/connections.hpp"

#include "messages/error.hpp"
#include "messages/log.hpp"

#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <csignal>
#include <cstring>
#include <mutex>
#include <thread>
#include <utility>
#include <vector>

namespace troupe::gateway::ops {

namespace {

using clock = std::chrono::steady_clock;

constexpr int backlog = 256;
constexpr std::size_t read_bytes = 16'384;

/// A file descriptor, closed at its end.
class descriptor {
public:
  explicit descriptor(int fd = -1) : fd_(fd) {}
  descriptor(descriptor&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}
  descriptor& operator=(descriptor&& other) noexcept {
    std::swap(fd_, other.fd_);
    return *this;
  }
  ~descriptor() {
    if (fd_ >= 0)
      ::close(fd_);
  }
  int get() const { return fd_; }
  explicit operator bool() const { return fd_ >= 0; }

private:
  int fd_;
};

struct address {
  sockaddr_storage storage{};
  socklen_t size = sizeof(sockaddr_storage);
  sockaddr* get() { return reinterpret_cast<sockaddr*>(&storage); }
};

bool parse_address(const std::string& host, std::uint16_t port, address& out) {
  auto* v4 = reinterpret_cast<sockaddr_in*>(&out.storage);
  auto* v6 = reinterpret_cast<sockaddr_in6*>(&out.storage);
  if (inet_pton(AF_INET, host.c_str(), &v4->sin_addr) == 1) {
    v4->sin_family = AF_INET;
    v4->sin_port = htons(port);
    out.size = sizeof(sockaddr_in);
    return true;
  }
  if (inet_pton(AF_INET6, host.c_str(), &v6->sin6_addr) != 1)
    return false;
  v6->sin6_family = AF_INET6;
  v6->sin6_port = htons(port);
  out.size = sizeof(sockaddr_in6);
  return true;
}

void describe_peer(const address& peer, raw_request& out) {
  std::array<char, INET6_ADDRSTRLEN> text{};
  if (peer.storage.ss_family == AF_INET) {
    const auto* v4 = reinterpret_cast<const sockaddr_in*>(&peer.storage);
    inet_ntop(AF_INET, &v4->sin_addr, text.data(), text.size());
    out.remote_port = ntohs(v4->sin_port);
  } else {
    const auto* v6 = reinterpret_cast<const sockaddr_in6*>(&peer.storage);
    inet_ntop(AF_INET6, &v6->sin6_addr, text.data(), text.size());
    out.remote_port = ntohs(v6->sin6_port);
  }
  out.remote_address = text.data();
}

enum class phase { reading, serving, writing, lingering };

struct connection {
  std::uint64_t id = 0;
  descriptor socket;
  phase now = phase::reading;
  clock::time_point until;
  raw_request request;
  std::string answer;
  std::size_t written = 0;
  bool is_over = false;
};

} // namespace

struct connections::impl {
  impl(connection_limits l, serve_function s, refusal_function r) :
      limits(l), serve(std::move(s)), refusal(std::move(r)) {}

  caf::error listen(const std::string& host, std::uint16_t wanted);
  void run();
  void poll_once();
  void accept_all();
  void make_room();
  void read_from(connection& c);
  void write_to(connection& c);
  void drop_input(connection& c);
  void start_answer(connection& c, std::string bytes);
  void take_answers();
  void expire();
  int wait_ms() const;
  void wake();

  connection_limits limits;
  serve_function serve;
  refusal_function refusal;
  descriptor listener;
  descriptor waker;
  std::uint16_t port = 0;
  std::thread thread;
  std::vector<connection> open; // only on the thread; in the order of their coming
  std::uint64_t last_id = 0;

  std::mutex mutex;
  bool stopping = false;                                      // guarded
  std::vector<std::pair<std::uint64_t, std::string>> answers; // guarded
};

caf::error connections::impl::listen(const std::string& host, std::uint16_t wanted) {
  address local;
  if (!parse_address(host, wanted, local))
    return make_error(ec::config_invalid, "ops.listen: " + host + " is no address");
  descriptor fd{::socket(local.storage.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0)};
  int on = 1;
  auto failed = [&](const char* what) {
    auto reason = std::string{std::strerror(errno)};
    return make_error(ec::config_invalid, fmt::format("cannot {} {} port {}: {}; choose another "
                                                      "ops.listen or stop what uses it",
                                                      what, host, wanted, reason));
  };
  if (!fd || ::setsockopt(fd.get(), SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)) != 0)
    return failed("open a socket for");
  if (::bind(fd.get(), local.get(), local.size) != 0)
    return failed("bind");
  if (::listen(fd.get(), backlog) != 0)
    return failed("listen on");
  local.size = sizeof(local.storage);
  ::getsockname(fd.get(), local.get(), &local.size);
  raw_request self;
  describe_peer(local, self);
  port = static_cast<std::uint16_t>(self.remote_port);
  waker = descriptor{::eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC)};
  if (!waker)
    return failed("make an event for");
  listener = std::move(fd);
  return {};
}

void connections::impl::run() {
  while (true) {
    {
      std::lock_guard guard{mutex};
      if (stopping)
        break;
    }
    poll_once();
  }
  open.clear();
}

void connections::impl::poll_once() {
  std::vector<pollfd> wanted{{waker.get(), POLLIN, 0}, {listener.get(), POLLIN, 0}};
  for (const auto& c : open) {
    short events = c.now == phase::serving ? 0 : c.now == phase::writing ? POLLOUT : POLLIN;
    wanted.push_back({c.socket.get(), events, 0});
  }
  if (::poll(wanted.data(), wanted.size(), wait_ms()) > 0) {
    for (std::size_t i = 0; i < open.size(); ++i) {
      auto& c = open[i];
      auto got = wanted[i + 2].revents;
      if (got == 0)
        continue;
      if (c.now == phase::reading)
        read_from(c);
      else if (c.now == phase::writing)
        write_to(c);
      else if (c.now == phase::lingering)
        drop_input(c);
      else
        c.is_over = (got & (POLLERR | POLLHUP)) != 0; // gone before its answer
    }
  }
  take_answers();
  expire();
  std::erase_if(open, [](const connection& c) { return c.is_over; });
  if ((wanted[1].revents & POLLIN) != 0)
    accept_all();
}

int connections::impl::wait_ms() const {
  constexpr std::int64_t longest_ms = 60'000;
  auto left = longest_ms;
  auto now = clock::now();
  for (const auto& c : open) {
    auto ms = std::chrono::ceil<std::chrono::milliseconds>(c.until - now).count();
    left = std::min(left, std::max<std::int64_t>(ms, 0));
  }
  return static_cast<int>(left);
}

void connections::impl::accept_all() {
  constexpr int at_once = 64; // then others get their turn
  for (int i = 0; i < at_once; ++i) {
    address peer;
    descriptor fd{::accept4(listener.get(), peer.get(), &peer.size, SOCK_NONBLOCK | SOCK_CLOEXEC)};
    if (!fd) {
      if (errno == EMFILE || errno == ENFILE) {
        log_warn("ops_accept_failed", {{"reason", "no file descriptors left"}});
        // Readable all the while: without a pause this thread would spin.
        std::this_thread::sleep_for(std::chrono::milliseconds{10});
      }
      return;
    }
    make_room();
    int on = 1;
    ::setsockopt(fd.get(), IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
    connection c;
    c.id = ++last_id;
    c.socket = std::move(fd);
    c.until = clock::now() + limits.read_limit;
    describe_peer(peer, c.request);
    c.request.connection = c.id;
    open.push_back(std::move(c));
  }
}

/// With too many open, the one that has been silent longest goes, not the one that comes.
void connections::impl::make_room() {
  if (open.size() < limits.connections_max)
    return;
  auto oldest = std::find_if(open.begin(), open.end(),
                             [](const connection& c) { return c.now != phase::serving; });
  open.erase(oldest == open.end() ? open.begin() : oldest);
}

void connections::impl::read_from(connection& c) {
  std::array<char, read_bytes> buffer;
  auto got = ::recv(c.socket.get(), buffer.data(), buffer.size(), 0);
  if (got <= 0) {
    c.is_over = got == 0 || (errno != EAGAIN && errno != EINTR);
    return;
  }
  auto& bytes = c.request.bytes;
  bytes.append(buffer.data(), static_cast<std::size_t>(got));
  auto found = inspect(bytes, limits.frame);
  if (found.what == frame::state::incomplete)
    return;
  if (found.what == frame::state::refused)
    return start_answer(c, refusal(found.status, found.message));
  bytes.resize(found.size); // one request a connection: what is pipelined is dropped
  c.now = phase::serving;
  c.until = clock::now() + limits.serve_limit;
  serve(std::move(c.request));
}

void connections::impl::start_answer(connection& c, std::string bytes) {
  c.now = phase::writing;
  c.until = clock::now() + limits.write_limit;
  c.answer = std::move(bytes);
  c.written = 0;
  c.request = {};
  write_to(c);
}

void connections::impl::write_to(connection& c) {
  while (c.written < c.answer.size()) {
    auto sent = ::send(c.socket.get(), c.answer.data() + c.written, c.answer.size() - c.written,
                       MSG_NOSIGNAL);
    if (sent <= 0) {
      c.is_over = errno != EAGAIN && errno != EINTR;
      return;
    }
    c.written += static_cast<std::size_t>(sent);
  }
  // Closing with unread input would reset the connection and lose the answer.
  ::shutdown(c.socket.get(), SHUT_WR);
  c.answer = {};
  c.now = phase::lingering;
  c.until = clock::now() + limits.linger_limit;
}

void connections::impl::drop_input(connection& c) {
  std::array<char, read_bytes> buffer;
  auto got = ::recv(c.socket.get(), buffer.data(), buffer.size(), 0);
  c.is_over = got == 0 || (got < 0 && errno != EAGAIN && errno != EINTR);
}

void connections::impl::take_answers() {
  std::vector<std::pair<std::uint64_t, std::string>> ready;
  {
    std::lock_guard guard{mutex};
    ready.swap(answers);
    std::uint64_t count = 0;
    [[maybe_unused]] auto ignored = ::read(waker.get(), &count, sizeof(count));
  }
  for (auto& one : ready) {
    auto i = std::find_if(open.begin(), open.end(),
                          [&](const connection& c) { return c.id == one.first; });
    if (i != open.end() && i->now == phase::serving && !i->is_over)
      start_answer(*i, std::move(one.second));
  }
}

void connections::impl::expire() {
  auto now = clock::now();
  for (auto& c : open) {
    if (c.is_over || c.until > now)
      continue;
    if (c.now == phase::reading && !c.request.bytes.empty())
      start_answer(c, refusal(408, "the request did not come in time"));
    else if (c.now == phase::serving)
      start_answer(c, refusal(504, "no answer in time; see the node's log"));
    else
      c.is_over = true;
  }
}

void connections::impl::wake() {
  std::uint64_t one = 1;
  [[maybe_unused]] auto ignored = ::write(waker.get(), &one, sizeof(one));
}

connections::connections(connection_limits limits, serve_function serve, refusal_function refusal) :
    impl_(std::make_unique<impl>(limits, std::move(serve), std::move(refusal))) {}

connections::~connections() { stop(); }

caf::error connections::start(const std::string& host, std::uint16_t port) {
  if (auto err = impl_->listen(host, port))
    return err;
  // Signals are for the process's own threads.
  sigset_t all;
  sigset_t before;
  sigfillset(&all);
  pthread_sigmask(SIG_SETMASK, &all, &before);
  impl_->thread = std::thread{[this] { impl_->run(); }};
  pthread_sigmask(SIG_SETMASK, &before, nullptr);
  return {};
}

std::uint16_t connections::port() const { return impl_->port; }

void connections::answer(std::uint64_t connection, std::string bytes) {
  std::lock_guard guard{impl_->mutex};
  if (impl_->stopping)
    return;
  impl_->answers.emplace_back(connection, std::move(bytes));
  impl_->wake();
}

void connections::stop() {
  {
    std::lock_guard guard{impl_->mutex};
    if (std::exchange(impl_->stopping, true) || !impl_->thread.joinable())
      return;
    impl_->wake();
  }
  impl_->thread.join();
  impl_->listener = descriptor{};
}

} // namespace troupe::gateway::ops
