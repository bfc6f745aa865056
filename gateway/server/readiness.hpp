// Waiting for a plain socket to be readable without a system call.
#pragma once

#include "gateway/server/unique_call.hpp"

#include <boost/asio/buffer.hpp>
#include <boost/asio/detail/epoll_reactor.hpp>
#include <boost/asio/error.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/version.hpp>

#include <netinet/tcp.h>
#include <sys/socket.h>

#include <cerrno>
#include <cstring>
#include <memory>
#include <span>
#include <utility>

namespace troupe::gateway {

namespace asio = boost::asio;
using boost::system::error_code;

/// Asio's `async_wait` tells the kernel anew for each wait (epoll_ctl), as it cannot know whether
/// the last read took all there was. Here that is known: the kernel says with each read what it
/// left (TCP_INQ, which counts an end as something left), and when it left nothing, the socket's
/// next edge is waited for in Asio's own queue.
///
/// Asio is used below its public interface here: `epoll_reactor` of the version named beneath; of
/// another one, `async_wait` is used. Only on the socket's I/O thread.
class readiness {
public:
  static constexpr bool knows_asio = BOOST_ASIO_VERSION == 102600;

  /// Once the socket is connected.
  template <class Socket>
  void watch(Socket& socket) {
    int on = 1;
    bool told = ::setsockopt(socket.native_handle(), IPPROTO_TCP, TCP_INQ, &on, sizeof on) == 0;
    if (told && knows_asio)
      reactor_ = &asio::use_service<asio::detail::epoll_reactor>(static_cast<asio::io_context&>(
          asio::query(socket.get_executor(), asio::execution::context)));
  }

  /// Reads what is there: `would_block` if nothing is, `eof` at the end.
  std::size_t read(int socket, std::span<char> into, error_code& e) {
    e = {};
    iovec piece{into.data(), into.size()};
    alignas(cmsghdr) char control[CMSG_SPACE(sizeof(int))];
    msghdr message{};
    message.msg_iov = &piece;
    message.msg_iovlen = 1;
    if (reactor_ != nullptr) {
      message.msg_control = control;
      message.msg_controllen = sizeof control;
    }
    ssize_t got = 0;
    do
      got = ::recvmsg(socket, &message, MSG_DONTWAIT);
    while (got < 0 && errno == EINTR);
    nothing_left_ = false;
    if (got > 0) {
      nothing_left_ = reactor_ != nullptr && left_of(message) == 0;
      return static_cast<std::size_t>(got);
    }
    if (got == 0)
      e = asio::error::eof;
    else
      e = error_code{errno, boost::system::system_category()};
    nothing_left_ = reactor_ != nullptr && e == asio::error::would_block;
    return 0;
  }

  /// Calls back once something, or the end, can be read; with `operation_aborted` once the socket
  /// is closed. May call back for nothing. At most one wait at a time.
  template <class Socket>
  void wait(Socket& socket, unique_call<void(error_code)> done) {
    if (nothing_left_ && socket.is_open()) {
      auto& impl = (socket.*(&opened<Socket>::impl_)).get_implementation();
      reactor_->start_op(asio::detail::epoll_reactor::read_op, impl.socket_, impl.reactor_data_,
                         new edge_op{std::move(done)}, false, true);
      return;
    }
    socket.async_wait(Socket::wait_read, [d = std::move(done)](error_code e) mutable { d(e); });
  }

  /// To be called before others read from the socket: what is left must wake them.
  template <class Socket>
  void hand_over(Socket& socket) {
    if (reactor_ != nullptr && !nothing_left_)
      socket.async_wait(Socket::wait_read, [](error_code) {});
  }

private:
  template <class Socket>
  struct opened : Socket {
    using Socket::impl_;
  };

  /// What the reactor keeps. It is done by any edge, even one from before the wait, and says each
  /// time that nothing is left: whoever waited reads, and knows better.
  struct edge_op final : asio::detail::reactor_op {
    explicit edge_op(unique_call<void(error_code)> d) :
        reactor_op(
            error_code{}, [](reactor_op*) { return done_and_exhausted; }, &complete),
        call(std::move(d)) {}

    static void complete(void* owner, asio::detail::scheduler_operation* base, const error_code&,
                         std::size_t) {
      std::unique_ptr<edge_op> self{static_cast<edge_op*>(base)};
      auto call = std::move(self->call);
      auto error = self->ec_;
      self.reset();
      if (owner != nullptr) // else the context is being destroyed
        call(error);
    }

    unique_call<void(error_code)> call;
  };

  static int left_of(const msghdr& message) {
    for (const auto* c = CMSG_FIRSTHDR(&message); c != nullptr;
         c = CMSG_NXTHDR(const_cast<msghdr*>(&message), const_cast<cmsghdr*>(c))) {
      if (c->cmsg_level == IPPROTO_TCP && c->cmsg_type == TCP_CM_INQ) {
        int left = 0;
        std::memcpy(&left, CMSG_DATA(c), sizeof left);
        return left;
      }
    }
    return 1; // it did not say
  }

  asio::detail::epoll_reactor* reactor_ = nullptr; // where the kernel says what it leaves
  bool nothing_left_ = false; // neither bytes nor an end, when it was read last
};

} // namespace troupe::gateway
