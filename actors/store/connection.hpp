// A connection to the database that is opened again when it broke.
#pragma once

#include "persistence/database.hpp"

#include <caf/actor_clock.hpp>

#include <chrono>
#include <memory>
#include <optional>

namespace troupe {

/// Used by one thread. A connection that cannot be opened is tried again after a while, which
/// doubles up to a limit: a database that is back is used again well within a second.
class store_connection {
public:
  using time_point = caf::actor_clock::time_point;

  store_connection() = default;
  store_connection(persistence::database_factory_ptr factory, persistence::access mode) :
      factory_(std::move(factory)), mode_(mode) {}

  /// Opens it if need be; throws the last error while the next try is not due.
  persistence::database& open(time_point now);
  /// A command failed: the connection goes if the failure hurt it. Logged.
  void note(const persistence::failure& error);

  /// Gives `work` the connection for one whole transaction, and runs it again, a bounded number of
  /// times, when that left nothing behind and may succeed at once. Throws what it threw last;
  /// whatever is no refusal has been noted.
  template <class Work>
  auto use(caf::actor_clock& clock, Work&& work) {
    for (int left = attempts_max;;) {
      try {
        return work(open(clock.now()));
      } catch (const persistence::failure& error) {
        if (persistence::is_refusal(error))
          throw;
        note(error);
        if (!error.again || --left == 0)
          throw;
      }
    }
  }

private:
  static constexpr int attempts_max = 4;

  persistence::database_factory_ptr factory_;
  persistence::access mode_ = persistence::access::read;
  std::unique_ptr<persistence::database> db_;
  time_point retry_at_{};
  std::chrono::milliseconds backoff_{0};
  std::optional<persistence::failure> last_error_;
};

} // namespace troupe
