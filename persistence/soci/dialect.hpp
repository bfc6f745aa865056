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

/// How a database takes bytes that are no text, and gives them.
enum class byte_form {
  blob,   // as SOCI's blobs; texts may hold zero bytes
  hex,    // as `\x` and hexadecimal digits; no text holds a zero byte
  string, // as texts are; those may hold zero bytes
};

/// Some rows of a table. `where` has placeholders of its own; `:count` follows them.
struct first_rows {
  std::string_view table;
  std::string_view key; // its primary key: columns, with commas
  std::string_view where;
  std::string_view order;
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
  virtual byte_form bytes() const = 0;
  /// The statement as it is prepared; `params` are the kinds of its placeholders, as `statement`
  /// takes them.
  virtual std::string prepared_text(std::string_view sql, std::string_view params) const;
  /// `INSERT INTO <what>` that leaves a row alone whose key is taken.
  virtual std::string insert_new(std::string_view what) const = 0;
  /// After such a statement: throws what it has hidden besides.
  virtual void check_insert_new(soci::session&) const {}
  /// The condition that the column's text holds the parameter `:part` somewhere, as `like_pattern`
  /// makes it, whatever the case of letters.
  virtual std::string contains(std::string_view column) const;
  /// Deletes the first rows in an order, without those that others hold where that can be said.
  virtual std::string delete_first(const first_rows& rows) const;
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
const dialect& mariadb_dialect();
const dialect& mysql_dialect();

} // namespace troupe::persistence
