// A transaction that lost to another, or whose connection had died, is run again.
#include "actors/store/connection.hpp"
#include "persistence/commands.hpp"
#include "tests/support/actor_fixture.hpp"
#include "tests/support/backends.hpp"
#include "tests/support/turns.hpp"

#include <doctest/doctest.h>

using namespace troupe;
using namespace troupe::persistence;

namespace {

failure lost(damage hurt, bool again) {
  return {ec::store_unavailable, "another node was first", hurt, again};
}

struct connection_fixture : test::actor_fixture {
  test::test_database database;
  store_connection connection{database.factory(), access::write};
  int runs = 0;

  /// Fails as `error` says the first `times`; the error that comes out.
  ec use(int times, const failure& error) {
    runs = 0;
    try {
      return connection.use(scheduler().clock(), [&](persistence::database& db) {
        unit_of_work unit{db, access::write};
        db.probe_write(1);
        if (++runs <= times)
          throw error;
        unit.commit();
        return ec::none;
      });
    } catch (const failure& error) {
      return error.code;
    }
  }
};

} // namespace

TEST_CASE_FIXTURE(connection_fixture, "a transaction that left nothing behind is run again") {
  CHECK(use(0, lost(damage::transaction, true)) == ec::none);
  CHECK(runs == 1);
  CHECK(use(2, lost(damage::transaction, true)) == ec::none);
  CHECK(runs == 3);
  CHECK(use(1, lost(damage::connection, true)) == ec::none);
  CHECK(runs == 2);
}

TEST_CASE_FIXTURE(connection_fixture, "one that goes on losing is given up") {
  CHECK(use(100, lost(damage::transaction, true)) == ec::store_unavailable);
  CHECK(runs == 4);
}

TEST_CASE_FIXTURE(connection_fixture, "one that may have left something behind is not run again") {
  CHECK(use(1, lost(damage::transaction, false)) == ec::store_unavailable);
  CHECK(runs == 1);
  CHECK(use(1, lost(damage::connection, false)) == ec::store_unavailable);
  CHECK(runs == 1);
  CHECK(use(1, {ec::conflict, "it is refused", damage::none, true}) == ec::conflict);
  CHECK(runs == 1);
}
