// Where a PostgreSQL database is: what `store.url` says, read by libpq.
#pragma once

#include "persistence/database.hpp"
#include "persistence/soci/postgresql.hpp"

#include <map>
#include <string>
#include <string_view>

namespace troupe::persistence {

class postgresql_conninfo {
public:
  /// Throws `failure` (`config_invalid`), without quoting the text: it holds a password.
  explicit postgresql_conninfo(const std::string& url);

  /// One URL as libpq and SOCI take it, with the limits that the URL leaves open. Holds the
  /// password.
  std::string connection_string(const postgresql_options& options, access mode) const;

  /// postgresql://user@host:port/database, never with the password.
  std::string location() const;

  /// What libpq's text for a connection that it could not make means to us.
  failure refusal(std::string_view why) const;

private:
  std::string get(const std::string& key) const;

  std::map<std::string, std::string> given_;
};

} // namespace troupe::persistence
