// What Troupe uses of the MariaDB client library, and of SOCI's part for it. It is a module of its
// own, loaded by who opens such a database.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace soci {
class session;
class soci_error;
class statement;
} // namespace soci

namespace troupe::persistence {

/// What `store.url` says.
struct mysql_place {
  std::string host;
  std::string port; // empty: 3306
  std::string user;
  std::string password;
  std::string database;
  std::string socket; // a path, instead of host and port
  // Files: who signed the server's certificate, which makes it TLS; and what we show it, if it
  // asks.
  std::string ca;
  std::string certificate;
  std::string key;
};

struct mysql_warning {
  unsigned code = 0;
  std::string text;
};

class mysql_driver {
public:
  /// What mysql://user:password@host:port/database or mariadb://... says; nothing if it is neither,
  /// or has more parameters than socket, ssl_ca, ssl_cert and ssl_key.
  virtual std::optional<mysql_place> parse(const std::string& url) const = 0;

  /// Connects. Who acknowledges nothing for `lost_limit_ms` is taken for lost. Throws
  /// `soci::soci_error`.
  virtual std::unique_ptr<soci::session> connect(const mysql_place& place,
                                                 std::int64_t connect_limit_ms,
                                                 std::int64_t lost_limit_ms) const = 0;

  /// "10.11.6-MariaDB-...", "8.0.36"
  virtual std::string server_version(soci::session& session) const = 0;
  /// False: it was ended by the server, or by a statement that changed the schema.
  virtual bool in_transaction(soci::session& session) const = 0;

  /// The number of what the server or the library refused; 0 for other errors.
  virtual unsigned error_code(const soci::soci_error& error) const = 0;

  /// What the last statement did in another way than it was told to; notes are left out.
  virtual std::vector<mysql_warning> warnings(soci::session& session) const = 0;

  /// Lets go of the rows of the statement's last use.
  virtual void forget_rows(soci::statement& statement) const = 0;

protected:
  ~mysql_driver() = default;
};

/// Loads the module the first time. Throws `failure` (`unsupported`) where it is missing.
const mysql_driver& mysql();

} // namespace troupe::persistence
