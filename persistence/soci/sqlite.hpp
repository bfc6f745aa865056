// SQLite as Troupe uses it: write-ahead log, every commit synced, several processes of one host.
#pragma once

#include "persistence/database.hpp"
#include "persistence/maintenance.hpp"

#include <cstdint>
#include <string>

namespace troupe::persistence {

struct sqlite_options {
  /// How long a connection waits for another process that writes.
  std::int64_t busy_limit_ms = 2'000;
  /// Pages kept in memory, per connection.
  std::int64_t cache_bytes = 1024 * 1024;
  /// The part of the file that is read through memory mapping.
  std::int64_t mmap_bytes = 0;
  /// The log is written back into the file when it has so many pages of 4 kB.
  std::int64_t checkpoint_pages = 4'000;
  /// 0: none. A size that the file may not outgrow, in pages of 4 kB.
  std::int64_t pages_max = 0;
};

/// Connections to the SQLite file at `path`, which is made if missing (mode 0600). While the
/// factory lives it holds a shared lock on `<path>.lock`, so that a restore knows that the file is
/// in use. Throws `failure` when the folder cannot be used or a restore is running.
database_factory_ptr make_sqlite_factory(const std::string& path,
                                         const sqlite_options& options = {});

/// One connection to a file, without the lock: for a copy that nobody else knows of.
std::unique_ptr<database> open_sqlite(const std::string& path, access mode,
                                      const sqlite_options& options = {});

std::unique_ptr<maintenance> make_sqlite_maintenance(const std::string& path);

} // namespace troupe::persistence
