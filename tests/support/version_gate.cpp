#include "tests/support/version_gate.hpp"

#include "troupe/v1/cluster.pb.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <optional>
#include <stdexcept>
#include <vector>

namespace troupe::test {

namespace {

constexpr std::uint64_t own_ids = std::uint64_t{1} << 40; // of requests that no node sent
constexpr int new_field = 1'900;
constexpr int every = 10; // frames that are passed on between two of unknown kinds

sockaddr_in at_port(std::uint16_t port) {
  sockaddr_in out{};
  out.sin_family = AF_INET;
  out.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  out.sin_port = htons(port);
  return out;
}

bool read_all(int fd, char* to, std::size_t size) {
  while (size > 0) {
    auto n = ::recv(fd, to, size, 0);
    if (n <= 0)
      return false;
    to += n;
    size -= static_cast<std::size_t>(n);
  }
  return true;
}

std::optional<v1::LinkFrame> read_frame(int fd) {
  std::uint32_t length = 0;
  if (!read_all(fd, reinterpret_cast<char*>(&length), sizeof length))
    return std::nullopt;
  std::string body(ntohl(length), '\0');
  v1::LinkFrame frame;
  if (!read_all(fd, body.data(), body.size()) || !frame.ParseFromString(body))
    return std::nullopt;
  return frame;
}

std::string bytes_of(const v1::LinkFrame& frame) {
  auto body = frame.SerializeAsString();
  auto length = htonl(static_cast<std::uint32_t>(body.size()));
  return std::string(reinterpret_cast<const char*>(&length), sizeof length) + body;
}

void write_all(int fd, std::string_view bytes) {
  while (!bytes.empty()) {
    auto n = ::send(fd, bytes.data(), bytes.size(), MSG_NOSIGNAL);
    if (n <= 0)
      return;
    bytes.remove_prefix(static_cast<std::size_t>(n));
  }
}

/// As the next version's message has it: a field more in each message, however deep.
void add_fields(google::protobuf::Message& to) {
  using google::protobuf::FieldDescriptor;
  const auto& reflection = *to.GetReflection();
  reflection.MutableUnknownFields(&to)->AddLengthDelimited(new_field, "new");
  std::vector<const FieldDescriptor*> fields;
  reflection.ListFields(to, &fields);
  for (const auto* field : fields) {
    if (field->cpp_type() != FieldDescriptor::CPPTYPE_MESSAGE || field->is_map())
      continue;
    if (!field->is_repeated())
      add_fields(*reflection.MutableMessage(&to, field));
    else
      for (int i = 0; i < reflection.FieldSize(to, field); ++i)
        add_fields(*reflection.MutableRepeatedMessage(&to, field, i));
  }
}

/// A frame of a kind that does not exist yet.
std::string new_kind() {
  v1::LinkFrame frame;
  frame.GetReflection()->MutableUnknownFields(&frame)->AddLengthDelimited(90, "news");
  return bytes_of(frame);
}

/// A request of a kind that does not exist yet.
std::string new_request(std::uint64_t id) {
  v1::LinkFrame frame;
  auto& request = *frame.mutable_request();
  request.set_id(id);
  request.set_limit_ms(1'000);
  request.GetReflection()->MutableUnknownFields(&request)->AddLengthDelimited(99, "do it");
  return bytes_of(frame);
}

} // namespace

struct version_gate::line {
  ~line() {
    end();
    for (auto& one : pumps)
      if (one.joinable())
        one.join();
    for (auto fd : ends)
      ::close(fd);
  }
  void end() {
    for (auto fd : ends)
      ::shutdown(fd, SHUT_RDWR);
  }
  std::array<int, 2> ends{-1, -1}; // who dialled, and whom
  std::array<std::thread, 2> pumps;
};

version_gate::version_gate(std::uint16_t target) : target_(target) {
  listener_ = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  auto at = at_port(0);
  socklen_t size = sizeof at;
  if (::bind(listener_, reinterpret_cast<sockaddr*>(&at), size) != 0 || ::listen(listener_, 16) != 0
      || ::getsockname(listener_, reinterpret_cast<sockaddr*>(&at), &size) != 0)
    throw std::runtime_error("the gate cannot listen");
  address_ = "127.0.0.1:" + std::to_string(ntohs(at.sin_port));
  thread_ = std::thread{[this] { accept_more(); }};
}

version_gate::~version_gate() {
  stopped_ = true;
  ::shutdown(listener_, SHUT_RDWR);
  thread_.join();
  ::close(listener_);
  lines_.clear();
}

void version_gate::accept_more() {
  for (;;) {
    auto from = ::accept4(listener_, nullptr, nullptr, SOCK_CLOEXEC);
    if (from < 0 || stopped_) {
      if (from >= 0)
        ::close(from);
      return;
    }
    auto to = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    auto at = at_port(target_);
    if (::connect(to, reinterpret_cast<sockaddr*>(&at), sizeof at) != 0) {
      ::close(from);
      ::close(to);
      continue;
    }
    auto one = std::make_shared<line>();
    one->ends = {from, to};
    for (auto fd : one->ends) {
      int yes = 1;
      ::setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &yes, sizeof yes);
    }
    one->pumps[0] = std::thread{[this, at = one.get()] { pump(*at, true); }};
    one->pumps[1] = std::thread{[this, at = one.get()] { pump(*at, false); }};
    std::lock_guard guard{mutex_};
    lines_.push_back(std::move(one));
  }
}

void version_gate::pump(line& on, bool inward) {
  auto from = on.ends[inward ? 0 : 1];
  auto to = on.ends[inward ? 1 : 0];
  int passed = 0;
  while (auto frame = read_frame(from)) {
    if (frame->has_answer() && frame->answer().id() >= own_ids) {
      if (frame->answer().failure().code() == "unsupported")
        ++refused_;
      continue; // nobody there asked
    }
    bool counts = frame->has_request() || frame->has_answer() || frame->has_events();
    if (frame->has_hello()) {
      frame->mutable_hello()->set_protocol(frame->hello().protocol() + 1);
      frame->mutable_hello()->set_version("next");
    }
    // The frame itself gets none: a kind in a oneof is what is unknown there.
    if (frame->has_request())
      add_fields(*frame->mutable_request());
    else if (frame->has_answer())
      add_fields(*frame->mutable_answer());
    else if (frame->has_events())
      add_fields(*frame->mutable_events());
    else if (frame->has_hello())
      add_fields(*frame->mutable_hello());
    else if (frame->has_beat())
      add_fields(*frame->mutable_beat());
    auto bytes = bytes_of(*frame);
    if (counts && ++passed % every == 1) {
      bytes += new_kind();
      bytes += new_request(own_ids + static_cast<std::uint64_t>(++asked_));
    }
    frames_ += counts ? 1 : 0;
    write_all(to, bytes);
  }
  on.end();
}

} // namespace troupe::test
