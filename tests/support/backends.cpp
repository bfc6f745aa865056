#include "tests/support/backends.hpp"

#include "persistence/migration.hpp"
#include "persistence/soci/sqlite.hpp"

#include <doctest/doctest.h>

#include <array>

namespace troupe::test {

test_database::test_database(const std::string& backend) {
  REQUIRE(backend == "sqlite");
  factory_ = persistence::make_sqlite_factory(file());
  db_ = factory_->open(persistence::access::write);
  persistence::migrate(*db_);
}

void on_each_backend(const std::function<void(test_database&)>& body) {
  static const std::array<std::string, 1> backends{"sqlite"};
  for (const auto& backend : backends)
    SUBCASE(backend.c_str()) {
      test_database database{backend};
      body(database);
    }
}

} // namespace troupe::test
