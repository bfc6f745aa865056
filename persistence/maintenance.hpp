// What operators do to a database: look at it, check it, back it up and put a backup in its place.
#pragma once

#include "persistence/database.hpp"

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

namespace troupe::persistence {

struct database_status {
  std::string backend;
  std::string location;
  bool exists = false;
  bool in_use = false; // a node or another command has it open
  std::int64_t bytes = 0;
  std::int64_t log_bytes = 0; // written, and not yet put into the file
  std::int64_t schema_version = 0;
  std::int64_t wanted_version = 0;
  bool broken_off = false; // in the middle of a migration
};

struct backup_made {
  std::string file;
  std::int64_t bytes = 0;
};

struct restore_done {
  std::string kept; // where the database that was there before is now; empty: there was none
  std::int64_t schema_version = 0;
};

/// All throw `failure`, with a text that says what to do.
class maintenance {
public:
  virtual ~maintenance() = default;
  virtual database_status status() = 0;
  /// Everything that is wrong with it. While a node runs it sees one consistent moment.
  virtual std::vector<finding> check() = 0;
  /// A consistent copy, made while nodes go on writing; verified before it gets its name. Refuses
  /// to replace a file.
  virtual backup_made backup(const std::string& to) = 0;
  /// Puts a backup in the database's place. Refuses while anything uses the database, and a backup
  /// that is damaged or of a newer schema. The old database is kept beside it.
  virtual restore_done restore(const std::string& from) = 0;
};

} // namespace troupe::persistence
