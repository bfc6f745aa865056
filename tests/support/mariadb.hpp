// A MariaDB server of the tests' own: Debian's, on a port and a folder of its own.
#pragma once

#include "tests/support/process.hpp"

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace troupe::test {

/// Its own sql_mode is lax, its time zone not UTC, its character set Latin-1, as an operator's may
/// be. Every commit is on the disk. Goes with this process, however that ends.
class mariadb_server {
public:
  /// Starts it, with a certificate if it is to speak TLS; throws with what to install when it
  /// cannot.
  explicit mariadb_server(bool tls = true);
  ~mariadb_server();
  mariadb_server(const mariadb_server&) = delete;
  mariadb_server& operator=(const mariadb_server&) = delete;

  /// The address of a new, empty database.
  std::string fresh();
  /// mysql://user:password@address:port/database
  std::string url(const std::string& database, const std::string& user = "troupe",
                  const std::string& password = "secret") const;
  /// The answer to SQL as text, by a user who may do everything; a null is empty.
  std::vector<std::vector<std::string>> rows(const std::string& sql,
                                             const std::string& database = "mysql") const;
  /// The file of who signed its certificate.
  std::string ca() const { return dir_.path() + "/ca/ca.crt"; }
  /// The path of its socket.
  std::string socket() const { return dir_.path() + "/socket"; }
  std::uint16_t port() const { return port_; }
  /// As a crash of the machine would: its commits are what its disk holds.
  void kill();
  void start();

private:
  bool try_start();

  bool tls_;
  temp_dir dir_;
  std::uint16_t port_ = 0;
  std::optional<process> child_;
  int databases_ = 0;
};

/// The one server of this process, started when it is first asked for.
mariadb_server& mariadb();

} // namespace troupe::test
