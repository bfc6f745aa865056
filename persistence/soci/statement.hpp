// Prepared statements over SOCI, bound once and kept: what a repository runs its SQL with.
#pragma once

#include "persistence/soci/dialect.hpp"

#include <concepts>
#include <cstdint>
#include <deque>
#include <memory>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

namespace troupe::persistence {

/// A parameter that is stored as bytes; empty ones as NULL, or as they are.
struct bytes_value {
  std::string_view value;
};
/// Text of which the empty one is stored as NULL, so that it may repeat in a unique column.
struct nullable_text {
  std::string_view value;
};

/// The row a statement stands on. A NULL reads as an empty text or 0.
class row_view;

/// One prepared statement. Every placeholder (`:name`) has a name of its own and is bound by
/// position.
class statement {
public:
  /// `columns`: one letter a result column, t (text), b (bytes) or i (integer).
  statement(soci::session& session, const dialect& dialect, std::string_view sql,
            std::string_view params, std::string_view columns);

  /// Throws `invalid_argument` for a text with a NUL in it where the database takes none.
  void set(std::size_t i, std::string_view text);
  void set(std::size_t i, nullable_text text);
  void set(std::size_t i, bytes_value bytes);
  void set(std::size_t i, std::int64_t number);

  /// Runs it; true if it stands on a row.
  bool execute();
  /// The next row; false after the last.
  bool fetch();
  std::int64_t affected() const { return affected_; }
  void reset() noexcept;

  std::string& text(std::size_t column) { return columns_[column].text; }
  std::int64_t number(std::size_t column) const { return columns_[column].number; }

private:
  struct slot {
    char kind = 't';
    std::string text;
    long long number = 0;
    std::unique_ptr<soci::blob> bytes; // where bytes need no escape
    soci::indicator state = soci::i_ok;
  };
  void finish_row();

  soci::session& session_;
  const dialect& dialect_;
  std::deque<slot> params_; // SOCI keeps their addresses
  std::deque<slot> columns_;
  std::unique_ptr<soci::statement> statement_;
  bool inserts_new_; // as the dialect's `insert_new` does
  std::int64_t affected_ = 0;
};

class row_view {
public:
  explicit row_view(statement& st) : st_(st) {}
  /// May be moved from.
  std::string& text(std::size_t column) const { return st_.text(column); }
  std::int64_t number(std::size_t column) const { return st_.number(column); }

private:
  statement& st_;
};

namespace detail {

template <class T>
constexpr char kind_of() {
  if constexpr (std::same_as<T, bytes_value>)
    return 'b';
  else if constexpr (std::same_as<T, nullable_text>)
    return 'n';
  else if constexpr (std::convertible_to<T, std::string_view>)
    return 't';
  else
    return 'i';
}

} // namespace detail

/// A connection's statements: each is prepared at its first use and kept. Texts must be the
/// program's own (a bounded number of them), never made of input.
class sql_session {
public:
  sql_session(std::unique_ptr<soci::session> session, const dialect& dialect) :
      session_(std::move(session)), dialect_(dialect) {}

  /// Runs a statement without result; returns how many rows it changed.
  template <class... Args>
  std::int64_t run(std::string_view sql, const Args&... args) {
    auto& st = prepared(sql, params_of<Args...>(), {});
    bind(st, args...);
    st.execute();
    return st.affected();
  }

  /// Calls `fn(row_view)` for every row.
  template <class Function, class... Args>
  void each(std::string_view sql, std::string_view columns, Function&& fn, const Args&... args) {
    auto& st = prepared(sql, params_of<Args...>(), columns);
    bind(st, args...);
    struct resetter {
      statement& st;
      ~resetter() { st.reset(); }
    } resetter{st};
    for (bool more = st.execute(); more; more = st.fetch())
      fn(row_view{st});
  }

  /// For statements whose parameters are too many to be named one by one; `params` as `statement`
  /// takes them.
  statement& prepared(std::string_view sql, std::string_view params, std::string_view columns);

  /// Runs SQL once, unprepared.
  void run_once(const std::string& sql);

  const dialect& sql_dialect() const { return dialect_; }
  soci::session& session() { return *session_; }

private:
  template <class... Args>
  static std::string_view params_of() {
    static constexpr char kinds[] = {detail::kind_of<Args>()..., '\0'};
    return {kinds, sizeof...(Args)};
  }

  template <class... Args>
  static void bind(statement& st, const Args&... args) {
    std::size_t i = 0;
    (set(st, i++, args), ...);
  }

  template <class T>
  static void set(statement& st, std::size_t i, const T& value) {
    if constexpr (std::integral<T>)
      st.set(i, static_cast<std::int64_t>(value));
    else if constexpr (std::same_as<T, bytes_value> || std::same_as<T, nullable_text>)
      st.set(i, value);
    else
      st.set(i, std::string_view{value});
  }

  struct text_hash {
    using is_transparent = void;
    std::size_t operator()(std::string_view text) const {
      return std::hash<std::string_view>{}(text);
    }
  };

  std::unique_ptr<soci::session> session_; // outlives its statements
  const dialect& dialect_;
  std::unordered_map<std::string, statement, text_hash, std::equal_to<>> statements_;
};

} // namespace troupe::persistence
