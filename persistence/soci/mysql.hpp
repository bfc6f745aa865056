// MariaDB and MySQL as Troupe uses them: InnoDB, several nodes of several hosts.
#pragma once

#include "persistence/database.hpp"
#include "persistence/maintenance.hpp"

#include <cstdint>
#include <memory>
#include <string>

namespace troupe::persistence {

/// Limits of one connection.
struct mysql_options {
  /// Of the whole connecting; counted in whole seconds, at least 1.
  std::int64_t connect_limit_ms = 2'000;
  /// Who acknowledges nothing for so long is taken for lost.
  std::int64_t lost_limit_ms = 2'000;
  /// Of one statement; of MySQL only those that read. 0: none.
  std::int64_t statement_limit_ms = 30'000;
  /// How long a statement waits for rows that another transaction holds; whole seconds, at least 1.
  std::int64_t lock_limit_ms = 5'000;
  /// A transaction that does nothing for so long is ended by the server: a node that hangs or was
  /// cut off holds no rows for longer. Less than a lease lasts, since others need those rows to
  /// take its place. Whole seconds, at least 1. MySQL has no such limit.
  std::int64_t idle_limit_ms = 1'000;
};

/// Connections to the database that `url` names: mysql://user:password@host:port/database, with
/// ?socket=path instead of a host. MariaDB 10.6 or MySQL 8.0, or newer. Throws `failure`
/// (`config_invalid`) when it is no such URL; the server is not asked yet.
database_factory_ptr make_mysql_factory(const std::string& url, const mysql_options& options = {});

/// Status and check; a backup and a restore are refused (`unsupported`) and name the tools for it.
std::unique_ptr<maintenance> make_mysql_maintenance(const std::string& url);

} // namespace troupe::persistence
