// The databases the repository tests run against: every test runs on each of them.
#pragma once

#include "persistence/database.hpp"
#include "tests/support/process.hpp"

#include <functional>
#include <string>

namespace troupe::test {

/// A new, migrated database of one backend, gone with the object.
class test_database {
public:
  explicit test_database(const std::string& backend = "sqlite");

  const persistence::database_factory_ptr& factory() const { return factory_; }
  /// A connection for writing.
  persistence::database& db() { return *db_; }
  const temp_dir& dir() const { return dir_; }
  /// Of SQLite.
  std::string file() const { return dir_.path() + "/troupe.db"; }

private:
  temp_dir dir_;
  persistence::database_factory_ptr factory_;
  std::unique_ptr<persistence::database> db_;
};

/// Calls `body` with a new database of each backend, as a doctest subcase each.
void on_each_backend(const std::function<void(test_database&)>& body);

} // namespace troupe::test
