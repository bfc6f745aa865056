// Where a MariaDB or MySQL database is: what `store.url` says.
#pragma once

#include "persistence/failure.hpp"
#include "persistence/soci/mysql_driver.hpp"

#include <string>

namespace troupe::persistence {

class mysql_address {
public:
  /// Throws `failure` (`config_invalid`), without quoting the text: it holds a password.
  explicit mysql_address(const std::string& url);

  const mysql_place& place() const { return place_; }

  /// mysql://user@host:port/database, never with the password.
  std::string location() const;

  /// What the error of a connection that could not be made means to us.
  failure refusal(const soci::soci_error& error) const;

private:
  mysql_place place_;
};

} // namespace troupe::persistence
