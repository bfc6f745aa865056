// The workers of an actor whose long requests are to be done on the scheduler's pool.
#pragma once

#include <caf/delegated.hpp>
#include <caf/mailbox_element.hpp>
#include <caf/result.hpp>
#include <caf/scheduled_actor.hpp>
#include <caf/system_messages.hpp>

#include <algorithm>
#include <cstddef>
#include <functional>
#include <utility>
#include <vector>

namespace troupe {

/// Workers of one kind, taken in turn. One that ends is replaced.
template <class Handle>
class worker_crew {
public:
  /// `owner` outlives it; its handler of ended actors is taken.
  void start(caf::scheduled_actor* owner, std::size_t count, std::function<Handle()> spawn) {
    owner_ = owner;
    spawn_ = std::move(spawn);
    workers_.resize(std::max<std::size_t>(count, 1));
    for (auto& worker : workers_)
      hire(worker);
    owner_->set_down_handler([this](caf::down_msg& down) {
      for (auto& worker : workers_)
        if (worker.address() == down.source)
          hire(worker);
    });
  }

  /// As `delegate`, but without naming the execution unit that runs the owner: the worker then
  /// wakes on the scheduler's pool, and not on a request's I/O thread.
  template <class Answer, class Message>
  caf::result<Answer> hand_on(const Message& message) {
    auto& worker = workers_[next_++ % workers_.size()];
    auto* element = owner_->current_mailbox_element();
    caf::actor_cast<caf::abstract_actor*>(worker)->enqueue(
        caf::make_mailbox_element(std::move(element->sender), element->mid,
                                  std::move(element->stages), message),
        nullptr);
    return caf::delegated<Answer>{};
  }

private:
  void hire(Handle& place) {
    place = spawn_();
    owner_->monitor(place);
  }

  caf::scheduled_actor* owner_ = nullptr;
  std::function<Handle()> spawn_;
  std::vector<Handle> workers_;
  std::size_t next_ = 0;
};

} // namespace troupe
