// Two nodes that write to one PostgreSQL database at once.
#pragma once

#include "persistence/database.hpp"
#include "tests/support/backends.hpp"

#include <functional>
#include <memory>

namespace troupe::test {

class two_nodes {
public:
  using command = std::function<void(persistence::database&)>;

  /// Does `first` in a transaction that is committed only when `second`, in one of the other node,
  /// either waits for it or has ended. Both are committed, unless they throw. Throws what `second`
  /// threw.
  void interleave(const command& first, const command& second);

  persistence::database& db() { return database_.db(); }
  persistence::database& other() { return *other_; }
  const persistence::database_factory_ptr& factory() const { return database_.factory(); }
  /// Whether the second of the last two had to wait.
  bool waited() const { return waited_; }

private:
  test_database database_{"postgresql"};
  std::unique_ptr<persistence::database> other_ =
      database_.factory()->open(persistence::access::write);
  bool waited_ = false;
};

} // namespace troupe::test
