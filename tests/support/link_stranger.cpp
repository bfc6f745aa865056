#include "tests/support/link_stranger.hpp"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <stdexcept>
#include <utility>

namespace troupe::test {

using clock = std::chrono::steady_clock;
using std::chrono::milliseconds;

link_stranger::link_stranger(std::uint16_t port) : fd_(::socket(AF_INET, SOCK_STREAM, 0)) {
  sockaddr_in where{};
  where.sin_family = AF_INET;
  where.sin_port = htons(port);
  where.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  if (::connect(fd_, reinterpret_cast<sockaddr*>(&where), sizeof where) != 0)
    throw std::runtime_error("nobody listens at port " + std::to_string(port));
  int on = 1;
  ::setsockopt(fd_, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
}

link_stranger::~link_stranger() {
  if (fd_ >= 0)
    ::close(fd_);
}

link_stranger::link_stranger(link_stranger&& other) noexcept :
    fd_(std::exchange(other.fd_, -1)), in_(std::move(other.in_)), ended_(other.ended_) {}

bool link_stranger::send_bytes(std::string_view bytes) {
  while (!bytes.empty()) {
    auto n = ::send(fd_, bytes.data(), bytes.size(), MSG_NOSIGNAL);
    if (n <= 0)
      return false;
    bytes.remove_prefix(static_cast<std::size_t>(n));
  }
  return true;
}

std::string frame_of(std::string_view body) {
  auto length = htonl(static_cast<std::uint32_t>(body.size()));
  std::string out{reinterpret_cast<const char*>(&length), sizeof length};
  out += body;
  return out;
}

bool link_stranger::send(const v1::LinkFrame& frame) {
  return send_bytes(frame_of(frame.SerializeAsString()));
}

bool link_stranger::fill(milliseconds limit) {
  pollfd one{fd_, POLLIN, 0};
  if (::poll(&one, 1, static_cast<int>(limit.count())) <= 0)
    return false;
  char buffer[65'536];
  auto n = ::recv(fd_, buffer, sizeof buffer, 0);
  if (n <= 0) {
    ended_ = true;
    return false;
  }
  in_.append(buffer, static_cast<std::size_t>(n));
  return true;
}

std::optional<v1::LinkFrame> link_stranger::read(milliseconds limit) {
  auto until = clock::now() + limit;
  for (;;) {
    if (in_.size() >= 4) {
      std::uint32_t length = 0;
      in_.copy(reinterpret_cast<char*>(&length), sizeof length);
      length = ntohl(length);
      if (in_.size() >= 4 + length) {
        v1::LinkFrame frame;
        if (!frame.ParseFromString(in_.substr(4, length)))
          throw std::runtime_error("a frame that is no LinkFrame");
        in_.erase(0, 4 + length);
        return frame;
      }
    }
    auto left = std::chrono::duration_cast<milliseconds>(until - clock::now());
    if (ended_ || left.count() < 0)
      return std::nullopt;
    fill(left);
  }
}

std::optional<v1::LinkFrame> link_stranger::read_past_beats() {
  for (;;) {
    auto frame = read();
    if (!frame || !frame->has_beat())
      return frame;
    if (!frame->beat().answer()) {
      frame->mutable_beat()->set_answer(true);
      send(*frame);
      send(link_beat());
    }
  }
}

bool link_stranger::closed(milliseconds limit) {
  auto until = clock::now() + limit;
  while (!ended_ && clock::now() < until)
    fill(milliseconds{50});
  return ended_;
}

bool link_stranger::agree(const v1::LinkFrame& hello) {
  send(hello);
  auto theirs = read();
  return theirs && theirs->has_hello() && send(link_beat());
}

v1::LinkFrame link_hello(const std::string& name, std::int64_t incarnation) {
  v1::LinkFrame out;
  auto& hello = *out.mutable_hello();
  hello.set_protocol(1);
  hello.set_protocol_min(1);
  hello.set_cluster_id("cluster");
  hello.set_name(name);
  hello.set_incarnation(incarnation);
  hello.set_credit_bytes(1'000'000);
  return out;
}

v1::LinkFrame link_beat() {
  v1::LinkFrame out;
  out.mutable_beat()->set_sent_us(1);
  return out;
}

} // namespace troupe::test
