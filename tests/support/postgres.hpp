// A PostgreSQL server of the tests' own: Debian's, on a port and a folder of its own.
#pragma once

#include "tests/support/process.hpp"

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace troupe::test {

/// Where a server runs.
struct postgres_place {
  std::string address = "127.0.0.1"; // it listens there, and lets in who comes from its network
  std::vector<std::string> prefix;   // before its command
};

/// Its default collation is that of a language, not of bytes, as an operator's may be. Synced
/// commits. Goes with this process, however that ends.
class postgres_server {
public:
  /// Starts it; throws with what to install when it cannot.
  explicit postgres_server(postgres_place place = {});
  ~postgres_server();
  postgres_server(const postgres_server&) = delete;
  postgres_server& operator=(const postgres_server&) = delete;

  /// The address of a new, empty schema.
  std::string fresh();
  /// postgresql://user:password@address:port/database?rest
  std::string url(const std::string& rest = {}, const std::string& user = "troupe",
                  const std::string& password = "secret",
                  const std::string& database = "postgres") const;
  /// Runs SQL as a superuser.
  void run(const std::string& sql) const;
  /// The answer to SQL at one of this server's addresses, as text; a null is empty.
  std::vector<std::vector<std::string>> rows(const std::string& sql, const std::string& url) const;
  /// How many statements wait for a lock now.
  int waiting() const;

  std::uint16_t port() const { return port_; }
  /// As a crash of the machine would: its commits are what its disk holds.
  void kill();
  void start();

private:
  bool try_start();

  postgres_place place_;
  temp_dir dir_;
  std::uint16_t port_ = 0;
  std::optional<process> child_;
  int schemas_ = 0;
};

/// The one server of this process, started when it is first asked for.
postgres_server& postgres();

} // namespace troupe::test
