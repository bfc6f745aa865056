#include "tests/support/two_nodes.hpp"

#include "tests/support/postgres.hpp"
#include "tests/support/script_server.hpp"

#include <atomic>
#include <exception>
#include <thread>

namespace troupe::test {

void two_nodes::interleave(const command& first, const command& second) {
  persistence::unit_of_work unit{db(), persistence::access::write};
  first(db());
  std::atomic<bool> ended{false};
  std::exception_ptr thrown;
  std::thread node{[&] {
    try {
      persistence::unit_of_work theirs{other(), persistence::access::write};
      second(other());
      theirs.commit();
    } catch (...) {
      thrown = std::current_exception();
    }
    ended = true;
  }};
  waited_ = false;
  eventually([&] {
    waited_ = postgres().waiting() > 0;
    return waited_ || ended;
  });
  unit.commit();
  node.join();
  if (thrown)
    std::rethrow_exception(thrown);
}

} // namespace troupe::test
