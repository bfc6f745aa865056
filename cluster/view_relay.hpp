// Tells what the membership knows to those who came later too.
#pragma once

#include "messages/types.hpp"

#include <functional>
#include <mutex>
#include <utility>
#include <vector>

namespace troupe {

/// Thread-safe. The membership is made before those it tells, since they send to it.
class view_relay {
public:
  using listener = std::function<void(const ClusterView&)>;

  void tell(const ClusterView& view) {
    std::lock_guard guard{mutex_};
    last_ = view;
    told_ = true;
    for (const auto& x : listeners_)
      x(view);
  }

  /// Called at once with the last view, if there is one.
  void attach(listener x) {
    std::lock_guard guard{mutex_};
    if (told_)
      x(last_);
    listeners_.push_back(std::move(x));
  }

  /// Tells nobody any more: those told are free to go.
  void close() {
    std::vector<listener> gone;
    std::lock_guard guard{mutex_};
    gone.swap(listeners_);
  }

  ClusterView last() const {
    std::lock_guard guard{mutex_};
    return last_;
  }

private:
  mutable std::mutex mutex_;
  ClusterView last_;
  bool told_ = false;
  std::vector<listener> listeners_;
};

} // namespace troupe
