// The databases the repository tests run against: every test runs on each of them.
#pragma once

#include "persistence/database.hpp"
#include "tests/support/process.hpp"

#include <functional>
#include <string>

namespace troupe::test {

class postgres_server;

/// A place for a new database of one backend ("sqlite", "postgresql" or "mysql"), without a schema
/// yet.
class empty_database {
public:
  explicit empty_database(const std::string& backend);
  /// On a server of the test's own; it must outlive this.
  explicit empty_database(postgres_server& server);

  /// Another factory of it, as another node has one.
  persistence::database_factory_ptr connect() const;
  const std::string& backend() const { return backend_; }
  /// As `store.url` has it.
  const std::string& url() const { return url_; }
  const temp_dir& dir() const { return dir_; }

private:
  temp_dir dir_;
  std::string backend_;
  std::string url_;
};

/// A new, migrated database of one backend, gone with the object.
class test_database {
public:
  explicit test_database(const std::string& backend = "sqlite");

  const persistence::database_factory_ptr& factory() const { return factory_; }
  const empty_database& place() const { return empty_; }
  /// A connection for writing.
  persistence::database& db() { return *db_; }
  const temp_dir& dir() const { return empty_.dir(); }
  /// Of SQLite.
  const std::string& file() const { return empty_.url(); }

private:
  empty_database empty_;
  persistence::database_factory_ptr factory_;
  std::unique_ptr<persistence::database> db_;
};

/// Calls `body` with a new database of each backend, as a doctest subcase each.
void on_each_backend(const std::function<void(test_database&)>& body);
/// The same with the backend's name only.
void on_each_backend(const std::function<void(const std::string&)>& body);

} // namespace troupe::test
