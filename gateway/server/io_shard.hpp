// One I/O thread: an io_context, and a place where actors of its requests run.
#pragma once

#include "gateway/server/timer_wheel.hpp"
#include "messages/interfaces.hpp"

#include <boost/asio/awaitable.hpp>
#include <boost/asio/io_context.hpp>
#include <caf/actor_cast.hpp>
#include <caf/expected.hpp>
#include <caf/message.hpp>

#include <chrono>
#include <functional>
#include <memory>

namespace troupe::gateway {

namespace asio = boost::asio;

/// A shard of the gateway's I/O. Everything of a request (its socket, its coroutine, the actors it
/// asks, its upstream connection) runs on the shard's one thread. Actors reached from here are
/// resumed on this thread by the shard's execution unit; long work must be sent to the pool.
class io_shard {
public:
  virtual ~io_shard() = default;

  virtual asio::io_context& context() = 0;
  virtual std::size_t index() const = 0;

  /// True on the shard's own thread.
  virtual bool on_thread() const = 0;

  /// Sends a request and waits for its answer. Only on the shard's thread. The error is the
  /// actor's, or `caf::sec::request_timeout` once `limit` is over (the late answer is then
  /// dropped).
  virtual asio::awaitable<caf::expected<caf::message>> request(caf::strong_actor_ptr receiver,
                                                               caf::message content,
                                                               std::chrono::milliseconds limit) = 0;

  /// Sends without waiting. Only on the shard's thread.
  virtual void send(const caf::strong_actor_ptr& receiver, caf::message content) = 0;

  /// Monotonic; a few milliseconds late at most. Many are cheap. Only on the shard's thread.
  virtual void set_timer(timer& t, std::chrono::milliseconds in) = 0;

  /// A handle whose messages arrive at `handler` on the shard's thread, until `close` or until the
  /// mailbox is destroyed (also on the shard's thread). `address()` becomes a typed handle by
  /// `caf::actor_cast`. With 4,096 messages waiting it closes itself; its last message is then a
  /// `caf::error` (`ec::overloaded`).
  class mailbox {
  public:
    virtual ~mailbox() = default;
    virtual caf::strong_actor_ptr address() const = 0;
    virtual void close() = 0;
  };
  virtual std::shared_ptr<mailbox> open_mailbox(std::function<void(caf::message&)> handler) = 0;
};

/// Typed `request`: `auto page = co_await ask<ConversationPage>(shard, region, limit, query);`
template <class Answer, class Handle, class... Args>
asio::awaitable<caf::expected<Answer>> ask(io_shard& shard, const Handle& receiver,
                                           std::chrono::milliseconds limit, Args... args) {
  auto result = co_await shard.request(caf::actor_cast<caf::strong_actor_ptr>(receiver),
                                       caf::make_message(std::move(args)...), limit);
  if (!result)
    co_return std::move(result.error());
  if (!result->template match_elements<Answer>())
    co_return make_error(ec::internal, "an actor gave an answer of another type");
  co_return result->template get_as<Answer>(0);
}

/// Typed `send`.
template <class Handle, class... Args>
void tell(io_shard& shard, const Handle& receiver, Args... args) {
  shard.send(caf::actor_cast<caf::strong_actor_ptr>(receiver),
             caf::make_message(std::move(args)...));
}

} // namespace troupe::gateway
