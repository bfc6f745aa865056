#include "gateway/upstream/upstream_link.hpp"

#include "gateway/upstream/answer_parser.hpp"
#include "messages/error.hpp"

#include <boost/asio/deferred.hpp>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/asio/write.hpp>
#include <boost/beast/core/string.hpp>

#include <sys/socket.h>

#include <array>
#include <vector>

namespace troupe::gateway {

namespace {

auto into(boost::system::error_code& error) {
  return asio::redirect_error(asio::use_awaitable, error);
}

} // namespace

std::string_view answer_parser::header(std::string_view name) const {
  std::string_view lines{header_lines};
  while (!lines.empty()) {
    auto line = lines.substr(0, lines.find('\n'));
    if (line.size() > name.size() + 1 && line[name.size()] == ':'
        && boost::beast::iequals(line.substr(0, name.size()), name))
      return line.substr(name.size() + 2);
    lines.remove_prefix(line.size() + 1);
  }
  return {};
}

upstream_link::error_code upstream_link::write_now(std::string_view head, std::string_view body,
                                                   std::size_t& written) {
  written = 0;
  if (tls_)
    return {};
  std::array<asio::const_buffer, 2> buffers{asio::buffer(head), asio::buffer(body)};
  error_code error;
  written = socket_.write_some(buffers, error);
  return error == asio::error::would_block || error == asio::error::try_again ? error_code{}
                                                                              : error;
}

asio::awaitable<upstream_link::error_code> upstream_link::write(std::string_view head,
                                                                std::string_view body) {
  error_code error;
  if (cut_ != cut_reason::none)
    co_return asio::error::operation_aborted;
  if (tls_) {
    // OpenSSL makes a record a buffer: one for a small request saves a packet and a system call.
    if (head.size() + body.size() <= 16'384) {
      std::string both;
      both.reserve(head.size() + body.size());
      both.append(head).append(body);
      co_await asio::async_write(*tls_, asio::buffer(both), into(error));
      co_return error;
    }
    co_await asio::async_write(*tls_, asio::buffer(head), into(error));
    if (!error)
      co_await asio::async_write(*tls_, asio::buffer(body), into(error));
    co_return error;
  }
  std::array<asio::const_buffer, 2> buffers{asio::buffer(head), asio::buffer(body)};
  co_await asio::async_write(socket_, buffers, into(error));
  co_return error;
}

void upstream_link::consume(std::size_t bytes) {
  if (!fresh_.empty()) {
    fresh_.remove_prefix(bytes);
    return;
  }
  begin_ += bytes;
  if (begin_ == in_.size()) {
    std::string{}.swap(in_); // most connections wait most of the time
    begin_ = 0;
  }
}

void upstream_link::keep() {
  if (!fresh_.empty())
    in_.assign(std::exchange(fresh_, {}));
}

void upstream_link::take(std::string_view bytes) {
  if (in_.empty()) {
    fresh_ = bytes;
    return;
  }
  in_.erase(0, begin_);
  begin_ = 0;
  in_.append(bytes);
}

asio::awaitable<upstream_link::error_code> upstream_link::fill() {
  if (cut_ != cut_reason::none)
    co_return asio::error::operation_aborted;
  if (buffered().size() >= buffer_max)
    co_return asio::error::message_size;
  error_code error;
  if (tls_) {
    if (!tls_room_)
      tls_room_.reset(new char[tls_read_bytes]);
    auto room = asio::buffer(tls_room_.get(), tls_read_bytes);
    auto bytes = co_await tls_->async_read_some(room, into(error));
    take({tls_room_.get(), bytes});
  } else {
    // A connection that waits holds no buffer: thousands of streams share their thread's.
    do {
      co_await asio::async_initiate<const asio::deferred_t, void()>(
          [this](auto handler) {
            ready_.wait(socket_, [this, h = std::move(handler)](error_code e) mutable {
              wait_error_ = e;
              std::move(h)();
            });
          },
          asio::deferred);
      error = wait_error_;
      if (!error && cut_ == cut_reason::none)
        read_now(error);
    } while (error == asio::error::would_block || error == asio::error::try_again);
  }
  if (cut_ != cut_reason::none)
    co_return asio::error::operation_aborted;
  co_return error;
}

void upstream_link::read_now(error_code& error) {
  thread_local std::vector<char> room(read_bytes);
  auto bytes = ready_.read(socket_.native_handle(), room, error);
  take({room.data(), bytes});
}

asio::awaitable<upstream_link::error_code> upstream_link::read_exactly(std::size_t bytes) {
  error_code error;
  while (!error && buffered().size() < bytes) {
    error = co_await fill();
    keep();
  }
  co_return error;
}

void upstream_link::cut(cut_reason why) {
  if (cut_ == cut_reason::none)
    cut_ = why;
  if (waiting_ != nullptr)
    waiting_->cancel();
  close();
}

void upstream_link::expire() {
  if (dialling_ && deadline < give_up_) {
    close(); // this address; the next may answer
    deadline = give_up_;
    return;
  }
  cut(cut_reason::deadline);
}

void upstream_link::close() {
  error_code ignored;
  socket_.close(ignored);
}

bool upstream_link::still_good() {
  if (!socket_.is_open() || !buffered().empty())
    return false;
  char byte;
  auto got = ::recv(socket_.native_handle(), &byte, 1, MSG_PEEK | MSG_DONTWAIT);
  return got < 0 && (errno == EAGAIN || errno == EWOULDBLOCK);
}

} // namespace troupe::gateway
