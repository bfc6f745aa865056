#include "tests/support/backends.hpp"

#include "persistence/migration.hpp"
#include "persistence/soci/mysql.hpp"
#include "persistence/soci/postgresql.hpp"
#include "persistence/soci/sqlite.hpp"
#include "tests/support/mariadb.hpp"
#include "tests/support/postgres.hpp"

#include <doctest/doctest.h>

#include <array>

namespace troupe::test {

empty_database::empty_database(const std::string& backend) : backend_(backend) {
  REQUIRE((backend == "sqlite" || backend == "postgresql" || backend == "mysql"));
  if (backend == "postgresql")
    url_ = postgres().fresh();
  else if (backend == "mysql")
    url_ = mariadb().fresh();
  else
    url_ = dir_.path() + "/troupe.db";
}

empty_database::empty_database(postgres_server& server) :
    backend_("postgresql"), url_(server.fresh()) {}

persistence::database_factory_ptr empty_database::connect() const {
  if (backend_ == "sqlite")
    return persistence::make_sqlite_factory(url_);
  // A busy machine may take longer to let us in than a node waits, and longer between two
  // statements of a large change.
  if (backend_ == "mysql") {
    persistence::mysql_options patient;
    patient.connect_limit_ms = 30'000;
    patient.idle_limit_ms = 30'000;
    return persistence::make_mysql_factory(url_, patient);
  }
  persistence::postgresql_options patient;
  patient.idle_limit_ms = 30'000;
  return persistence::make_postgresql_factory(url_ + "&connect_timeout=30", patient);
}

test_database::test_database(const std::string& backend) :
    empty_(backend), factory_(empty_.connect()), db_(factory_->open(persistence::access::write)) {
  persistence::migrate(*db_);
}

void on_each_backend(const std::function<void(const std::string&)>& body) {
  static const std::array<std::string, 3> backends{"sqlite", "postgresql", "mysql"};
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
