// PostgreSQL as Troupe uses it: several nodes of several hosts, every commit on the server's disk.
#pragma once

#include "persistence/database.hpp"
#include "persistence/maintenance.hpp"

#include <cstdint>
#include <memory>
#include <string>

namespace troupe::persistence {

/// Limits of one connection. What the URL says about the same goes before them.
struct postgresql_options {
  /// Of the whole connecting; counted in whole seconds, at least 2.
  std::int64_t connect_limit_ms = 2'000;
  /// Who acknowledges nothing for so long is taken for lost: the server by us, and we by the
  /// server. A connection outlives a cut network only as long as it would sleep on after the heal.
  std::int64_t lost_limit_ms = 2'000;
  /// Of one statement. 0: none.
  std::int64_t statement_limit_ms = 30'000;
  /// How long a statement waits for rows that another transaction holds.
  std::int64_t lock_limit_ms = 5'000;
  /// A transaction that does nothing for so long is ended by the server: a node that hangs or was
  /// cut off holds no rows for longer. Less than a lease lasts, since others need those rows to
  /// take its place.
  std::int64_t idle_limit_ms = 1'000;
  /// As pg_stat_activity shows it.
  std::string application_name = "troupe";
};

/// Connections to the database that `url` names: postgresql://user:password@host:port/database, or
/// libpq's `key=value` pairs. Throws `failure` (`config_invalid`) when it is neither; the server is
/// not asked yet.
database_factory_ptr make_postgresql_factory(const std::string& url,
                                             const postgresql_options& options = {});

/// Status and check; a backup and a restore are refused (`unsupported`) and name the tools for it.
std::unique_ptr<maintenance> make_postgresql_maintenance(const std::string& url);

} // namespace troupe::persistence
