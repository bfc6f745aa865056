// Promises that cannot be forgotten: CAF tells a requester nothing when a promise is dropped.
#pragma once

#include "messages/error.hpp"

#include <caf/typed_response_promise.hpp>

#include <functional>
#include <memory>
#include <utility>

namespace troupe {

/// An answer that is owed to a requester. Copies share it; when the last one goes without having
/// answered (its actor failed or left), the requester gets `ec::overloaded` and may try again.
template <class Answer>
class owed {
public:
  owed() = default;
  explicit owed(caf::typed_response_promise<Answer> promise) :
      held_(std::make_shared<holder>(std::move(promise))) {}

  void give(Answer answer) const {
    if (held_ && held_->promise.pending())
      held_->promise.deliver(std::move(answer));
  }
  void fail(caf::error reason) const {
    if (held_ && held_->promise.pending())
      held_->promise.deliver(std::move(reason));
  }
  void settle(caf::expected<Answer> result) const {
    if (result)
      give(std::move(*result));
    else
      fail(std::move(result.error()));
  }
  /// Lets another actor answer.
  template <class Handle, class... Args>
  void pass_to(const Handle& receiver, Args... args) const {
    if (held_ && held_->promise.pending())
      held_->promise.delegate(receiver, std::move(args)...);
  }
  const caf::typed_response_promise<Answer>& promise() const { return held_->promise; }

private:
  struct holder {
    explicit holder(caf::typed_response_promise<Answer> p) : promise(std::move(p)) {}
    ~holder() {
      if (promise.pending())
        promise.deliver(make_error(ec::overloaded, "the conversation was taken down while it "
                                                   "worked on this; try again"));
    }
    caf::typed_response_promise<Answer> promise;
  };
  std::shared_ptr<holder> held_;
};

/// A continuation that is called at most once, and by `if_dropped`'s value if its last copy goes
/// uncalled.
template <class T>
std::function<void(T)> call_once(std::function<void(T)> f, std::function<T()> if_dropped) {
  struct holder {
    ~holder() {
      if (f)
        std::exchange(f, nullptr)(if_dropped());
    }
    std::function<void(T)> f;
    std::function<T()> if_dropped;
  };
  auto held = std::make_shared<holder>();
  held->f = std::move(f);
  held->if_dropped = std::move(if_dropped);
  return [held](T x) {
    if (held->f)
      std::exchange(held->f, nullptr)(std::move(x));
  };
}

} // namespace troupe
