// One connection to the database, and who opens them.
#pragma once

#include "persistence/cluster_repository.hpp"
#include "persistence/failure.hpp"
#include "persistence/repositories.hpp"
#include "persistence/ruleset_repository.hpp"

#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace troupe::persistence {

enum class access {
  read,  // a consistent view; writes are refused
  write, // the writer's lock is taken at the beginning of a transaction
};

/// A migration as the database remembers it.
struct applied_migration {
  std::int64_t version = 0;
  std::string name;
  std::string checksum;
  std::int64_t statements_done = 0;
  std::int64_t finished_us = 0; // 0: broken off in the middle
};

/// The schema's own book-keeping, for the migration runner (persistence/migration.hpp).
class schema_repository {
public:
  virtual ~schema_repository() = default;
  /// "sqlite", "postgresql", "mysql"
  virtual std::string_view dialect() const = 0;
  /// False: a statement that changes the schema commits by itself.
  virtual bool transactional_ddl() const = 0;
  /// From here until the transaction ends, no other one is between `lock` and its end; where a
  /// statement that changes the schema ends it, until `unlock`.
  virtual void lock() = 0;
  virtual void unlock() noexcept = 0;
  /// Makes the table of migrations, if it is missing.
  virtual void prepare() = 0;
  /// In order of version; empty for a new database.
  virtual std::vector<applied_migration> applied() = 0;
  /// Runs one statement in which `{id}`, `{bytes}`... stand for the dialect's types.
  virtual void execute(std::string_view statement) = 0;
  /// The same for a statement that may have been done already, by a run that was killed then.
  virtual void execute_again(std::string_view statement) = 0;
  virtual void record(const applied_migration& row) = 0;
};

/// One thing that `verify` found wrong.
struct finding {
  std::string check; // integrity, foreign_keys, schema, or an invariant's name
  std::string detail;
};

/// One connection. Used by one thread at a time. Everything throws `failure`.
class database {
public:
  virtual ~database() = default;

  virtual conversation_repository& conversations() = 0;
  virtual message_repository& messages() = 0;
  virtual turn_repository& turns() = 0;
  virtual outbox_repository& outbox() = 0;
  virtual api_key_repository& api_keys() = 0;
  virtual ledger_repository& ledger() = 0;
  virtual dedupe_repository& dedupe() = 0;
  virtual cluster_repository& cluster() = 0;
  virtual ruleset_repository& rulesets() = 0;
  virtual moderation_hit_repository& moderation_hits() = 0;
  virtual keyword_count_repository& keyword_counts() = 0;
  virtual schema_repository& schema() = 0;

  /// Prefer `unit_of_work` and `savepoint`.
  virtual void begin(access mode) = 0;
  virtual void commit() = 0;
  /// Ends the transaction, if there still is one. Never throws.
  virtual void rollback() noexcept = 0;
  virtual void set_savepoint() = 0;
  virtual void release_savepoint() = 0;
  virtual void rollback_savepoint() = 0;

  /// Writes something small, to see whether writing works. Within a transaction, as all writes.
  virtual void probe_write(std::int64_t now_us) = 0;
  /// Writes a consistent copy into a new file; the nodes go on writing. Not within a transaction.
  virtual void copy_to(const std::string& file) = 0;
  /// Reads the whole file and every invariant of Troupe's own. Empty: all is well.
  virtual std::vector<finding> verify() = 0;
};

/// A transaction. Rolls back when it is destroyed before `commit`.
class unit_of_work {
public:
  unit_of_work(database& db, access mode) : db_(db) { db_.begin(mode); }
  unit_of_work(const unit_of_work&) = delete;
  unit_of_work& operator=(const unit_of_work&) = delete;
  ~unit_of_work() {
    if (open_)
      db_.rollback();
  }
  void commit() {
    db_.commit();
    open_ = false;
  }

private:
  database& db_;
  bool open_ = true;
};

/// Opens connections to one database. Thread-safe.
class database_factory {
public:
  virtual ~database_factory() = default;
  virtual std::unique_ptr<database> open(access mode) = 0;
  /// "sqlite", "postgresql", "mysql"
  virtual std::string backend() const = 0;
  /// Where it is, for logs and messages: never a secret.
  virtual std::string location() const = 0;
};

using database_factory_ptr = std::shared_ptr<database_factory>;

} // namespace troupe::persistence
