// Timers for very many actors, and limits for what they ask of others.
#pragma once

#include "messages/actor.hpp"
#include "messages/types.hpp"

#include <caf/actor_clock.hpp>
#include <caf/message_id.hpp>
#include <caf/typed_actor.hpp>

#include <chrono>
#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <utility>
#include <vector>

namespace troupe {

/// Timers in a table of their own, at 48 bytes each and without waking a thread to set one. CAF's
/// clock takes 150 to 300 and keeps the limit of a request until its time, answered or not; here
/// both go when they are cancelled. Thread-safe.
class alarms : public std::enable_shared_from_this<alarms> {
public:
  /// A timer; 0: none.
  using ticket = std::uint64_t;

  /// Timers go off at multiples of `grain`, up to one late and never early. They keep their actor
  /// until then.
  static std::shared_ptr<alarms>
  make(const actor_host& host, std::chrono::nanoseconds grain = std::chrono::milliseconds{100});
  ~alarms();
  alarms(const alarms&) = delete;
  alarms& operator=(const alarms&) = delete;

  /// Sends Tick{kind, id}.
  ticket tick(caf::strong_actor_ptr to, std::chrono::milliseconds after, int kind, std::int64_t id);

  /// Answers with `caf::sec::request_timeout` a request that `of` made, by its response's id.
  ticket fail(caf::strong_actor_ptr of, std::chrono::milliseconds after, caf::message_id response);

  /// Does nothing when it went off already.
  void cancel(ticket which);

  /// How many are set.
  std::size_t size() const;

private:
  using time_point = caf::actor_clock::time_point;
  using ringer = caf::typed_actor<caf::reacts_to<Tick>>;
  struct ringer_state {
    static inline const char* name = "alarms";
  };
  struct slot {
    caf::strong_actor_ptr who; // null: free
    std::int64_t number = 0;   // of the tick, or of the response
    std::int64_t due = 0;      // in grains
    std::uint32_t generation = 0;
    std::uint32_t next = 0; // of those due together, or free
    std::uint32_t previous = 0;
    std::int32_t kind = 0;
  };

  alarms(caf::actor_system& system, std::chrono::nanoseconds grain);
  static ringer::behavior_type ring(self_pointer<ringer, ringer_state> self,
                                    std::weak_ptr<alarms> all);
  ticket set(caf::strong_actor_ptr who, std::chrono::milliseconds after, std::int32_t kind,
             std::int64_t number);
  void unlink(std::uint32_t at);
  void wake_at(std::int64_t due);
  void go_off();

  caf::actor_system& system_;
  std::chrono::nanoseconds grain_;
  ringer ringer_;
  mutable std::mutex mutex_;
  std::vector<slot> slots_;                     // the first one is no one's
  std::map<std::int64_t, std::uint32_t> first_; // by due
  std::uint32_t free_ = 0;
  std::size_t size_ = 0;
  std::int64_t woken_at_ = 0; // the next time at which the clock calls; 0: it does not
};

/// A request that fails once its time is over. Made by `limited`.
template <class Response>
class limited_response {
public:
  limited_response(Response response, std::shared_ptr<alarms> all, alarms::ticket ticket) :
      response_(std::move(response)), all_(std::move(all)), ticket_(ticket) {}

  /// As `then` of CAF's handle: the error is then `caf::sec::request_timeout`.
  template <class F, class G>
  void then(F on_answer, G on_error) && {
    wrap(std::move(on_answer), std::move(on_error), &F::operator());
  }

private:
  template <class F, class G, class Answer>
  void wrap(F on_answer, G on_error, void (F::*)(Answer) const) {
    response_.then(
        [all = all_, ticket = ticket_, f = std::move(on_answer)](Answer answer) {
          all->cancel(ticket);
          f(answer);
        },
        [all = all_, ticket = ticket_, g = std::move(on_error)](const caf::error& err) {
          all->cancel(ticket);
          g(err);
        });
  }

  Response response_;
  std::shared_ptr<alarms> all_;
  alarms::ticket ticket_;
};

/// Asks, for at most `limit`: `self->request(receiver, limit, args...)` by a cheaper timer.
template <class Self, class Handle, class... Args>
auto limited(const std::shared_ptr<alarms>& all, Self* self, const Handle& receiver,
             std::chrono::milliseconds limit, Args... args) {
  auto response = self->request(receiver, caf::infinite, std::move(args)...);
  auto ticket = all->fail(caf::strong_actor_ptr{self->ctrl()}, limit, response.id());
  return limited_response<decltype(response)>{std::move(response), all, ticket};
}

} // namespace troupe
