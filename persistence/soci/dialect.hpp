// Everything in which the databases' SQL differs, in one place.
#pragma once

#include "persistence/failure.hpp"

#include <soci/soci.h>

#include <span>
#include <string>
#include <string_view>

namespace troupe::persistence {

/// What stands in a text, and what is put in its place.
struct replacement {
  std::string_view from;
  std::string_view to;
};

std::string put_in_place(std::string_view text, std::span<const replacement> all);

class dialect {
public:
  virtual ~dialect() = default;

  /// "sqlite"
  virtual std::string_view name() const = 0;
  /// False: a statement that changes the schema commits by itself.
  virtual bool transactional_ddl() const = 0;
  virtual std::string_view begin_read() const = 0;
  /// Takes the writer's lock where there is one.
  virtual std::string_view begin_write() const = 0;
  /// A query for the database's clock: one row with UTC microseconds.
  virtual std::string_view now_us() const = 0;
  /// After a SELECT: no other transaction reads the rows so, or changes them, until this one ends.
  virtual std::string_view hold_row() const = 0;
  /// The same, but rows that another transaction holds are left out instead of waited for.
  virtual std::string_view hold_free_row() const = 0;
  /// After a SELECT: no other transaction changes the rows until this one ends.
  virtual std::string_view share_row() const = 0;
  /// Statements that let one migration run at a time, until their transaction ends; empty where a
  /// transaction that writes is alone anyway.
  virtual std::string_view hold_schema() const = 0;
  /// A query for how many tables of the own schema are called `:name`.
  virtual std::string_view count_tables() const = 0;
  /// A statement that lets the database look at a table that has just grown a lot, so that its
  /// plans fit; empty where it needs none.
  virtual std::string refresh_statistics(std::string_view table) const = 0;
  /// True: bytes are sent and read as `\x` and hexadecimal digits, and no text holds a NUL. False:
  /// both are taken as they are.
  virtual bool escapes_bytes() const = 0;
  /// `INSERT INTO <what>` that leaves a row alone whose key is taken.
  virtual std::string insert_new(std::string_view what) const = 0;
  /// Puts the types in place of `{id}`, `{key}`, `{text}`, `{bytes}`, `{int}` and the table option
  /// `{clustered}` (stored in the order of its primary key).
  virtual std::string types(std::string_view sql) const = 0;
  /// What an error of this database means to us.
  virtual failure translate(soci::session& session, const soci::soci_error& error) const = 0;
  /// Ends the reading of a statement that has rows left.
  virtual void reset(soci::statement& statement) const = 0;
};

const dialect& sqlite_dialect();
const dialect& postgresql_dialect();

} // namespace troupe::persistence
