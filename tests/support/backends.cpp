#include "tests/support/backends.hpp"

#include "persistence/migration.hpp"
#include "persistence/soci/postgresql.hpp"
#include "persistence/soci/sqlite.hpp"
#include "tests/support/postgres.hpp"

#include <doctest/doctest.h>

#include <array>

namespace troupe::test {

empty_database::empty_database(const std::string& backend) : backend_(backend) {
  REQUIRE((backend == "sqlite" || backend == "postgresql"));
  url_ = backend == "sqlite" ? dir_.path() + "/troupe.db" : postgres().fresh();
}

empty_database::empty_database(postgres_server& server) :
    backend_("postgresql"), url_(server.fresh()) {}

persistence::database_factory_ptr empty_database::connect() const {
  if (backend_ == "sqlite")
    return persistence::make_sqlite_factory(url_);
  // A busy machine may take longer to let us in than a node waits, and longer between two
  // statements of a large change.
  persistence::postgresql_options patient;
  patient.idle_limit_ms = 30'000;
  return persistence::make_postgresql_factory(url_ + "&connect_timeout=30", patient);
}

test_database::test_database(const std::string& backend) :
    empty_(backend), factory_(empty_.connect()), db_(factory_->open(persistence::access::write)) {
  persistence::migrate(*db_);
}

void on_each_backend(const std::function<void(const std::string&)>& body) {
  static const std::array<std::string, 2> backends{"sqlite", "postgresql"};
  for (const auto& backend : backends)
    SUBCASE(backend.c_str()) { body(backend); }
}

void on_each_backend(const std::function<void(test_database&)>& body) {
  on_each_backend([&](const std::string& backend) {
    test_database database{backend};
    body(database);
  });
}

} // namespace troupe::test
