// What Troupe uses of libpq, and of SOCI's part for it. It is a module of its own, loaded by who
// opens such a database: with libpq come 19 libraries, and every start of `troupe` would load them.
#pragma once

#include <map>
#include <memory>
#include <optional>
#include <string>

namespace soci {
class session;
class soci_error;
class statement;
} // namespace soci

namespace troupe::persistence {

class postgresql_driver {
public:
  /// Connects. Throws `soci::soci_error`.
  virtual std::unique_ptr<soci::session> connect(const std::string& connection_string) const = 0;

  /// What a URL, or `key=value` pairs, say; nothing if it is neither.
  virtual std::optional<std::map<std::string, std::string>>
  conninfo(const std::string& url) const = 0;

  /// A statement of the open transaction failed: all that it can do is to roll back.
  virtual bool transaction_failed(soci::session& session) const = 0;
  virtual bool connection_lost(soci::session& session) const = 0;

  /// SQLSTATE of what the server refused; empty for other errors.
  virtual std::string sqlstate(const soci::soci_error& error) const = 0;

  /// Lets go of the rows of the statement's last use.
  virtual void forget_rows(soci::statement& statement) const = 0;

protected:
  ~postgresql_driver() = default;
};

/// Loads the module the first time. Throws `failure` (`unsupported`) where it is missing.
const postgresql_driver& postgresql();

} // namespace troupe::persistence
