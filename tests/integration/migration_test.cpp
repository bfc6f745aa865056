// Migrations: from nothing, from the middle, from the future.
#include "persistence/migration.hpp"
#include "persistence/soci/sqlite.hpp"
#include "tests/support/backends.hpp"

#include <doctest/doctest.h>

#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <csignal>
#include <optional>
#include <thread>

using namespace troupe;
using namespace troupe::persistence;

namespace {

using test::on_each_backend;

struct place : test::empty_database {
  using empty_database::empty_database;
  std::unique_ptr<database> open() const { return connect()->open(access::write); }
};

/// Where each migration begins, counted in statements over all of them; and their end.
std::vector<std::size_t> beginnings(const std::string& backend) {
  std::vector<std::size_t> out{0};
  for (const auto& step : migrations())
    out.push_back(out.back() + step.statements(backend).size());
  return out;
}

std::size_t statement_count(const std::string& backend) { return beginnings(backend).back(); }

template <class Function>
failure refused(Function&& function) {
  try {
    function();
  } catch (const failure& error) {
    return error;
  }
  return {ec::none, "it was not refused"};
}

enum class when { before, after };

/// Runs `options` in a child that kills itself before statement number `stop`, counted over all
/// migrations, or after it and before it is recorded; true if it got that far.
bool migrate_and_die(const place& f, std::size_t stop, bool one_by_one, when dies = when::before) {
  auto pid = ::fork();
  if (pid == 0) {
    std::size_t count = 0;
    migrate_options options;
    options.one_statement_a_transaction = one_by_one;
    (dies == when::before ? options.before_statement
                          : options.after_statement) = [&](std::int64_t, std::int64_t) {
      if (count++ == stop)
        ::kill(::getpid(), SIGKILL);
    };
    try {
      migrate(*f.open(), options);
    } catch (...) {
      ::_exit(3);
    }
    ::_exit(0);
  }
  int status = 0;
  ::waitpid(pid, &status, 0);
  CHECK((WIFSIGNALED(status) || (WIFEXITED(status) && WEXITSTATUS(status) == 0)));
  return WIFSIGNALED(status);
}

} // namespace

TEST_CASE("a new database is brought to the newest version, once") {
  on_each_backend([](const std::string& backend) {
    place f{backend};
    auto db = f.open();
    CHECK(inspect_schema(*db).version == 0);
    auto ran = migrate(*db);
    CHECK(ran.size() == migrations().size());
    CHECK(migrate(*db).empty());
    auto status = inspect_schema(*db);
    CHECK(status.version == migrations().back().version);
    CHECK(status.applied.at(0).checksum == migrations().at(0).checksum);
    CHECK(!status.broken_off);
    CHECK(db->verify().empty());
  });
}

TEST_CASE("a migration killed at any statement is finished by the next run") {
  on_each_backend([](const std::string& backend) {
    for (bool one_by_one : {false, true}) {
      if (!one_by_one && backend == "mysql")
        continue; // it knows no other way
      CAPTURE(one_by_one);
      std::size_t killed = 0;
      for (std::size_t stop = 0;; ++stop) {
        place f{backend};
        if (!migrate_and_die(f, stop, one_by_one))
          break;
        ++killed;
        auto db = f.open();
        migrate_options options;
        options.one_statement_a_transaction = one_by_one;
        auto starts = beginnings(backend);
        auto next = std::upper_bound(starts.begin(), starts.end(), stop);
        auto done = static_cast<std::size_t>(next - starts.begin()) - 1;
        // That it began is recorded first where a statement cannot be taken back.
        auto first = stop == starts[done];
        CHECK(inspect_schema(*db).broken_off
              == (db->schema().transactional_ddl() ? one_by_one && !first : true));
        CHECK(migrate(*db, options).size() == migrations().size() - done);
        CHECK(db->verify().empty());
      }
      CHECK(killed == statement_count(backend));
    }
  });
}

TEST_CASE("a migration killed after any statement, before that was recorded, is finished too") {
  on_each_backend([](const std::string& backend) {
    for (std::size_t stop = 0; stop < statement_count(backend); ++stop) {
      CAPTURE(stop);
      place f{backend};
      REQUIRE(migrate_and_die(f, stop, true, when::after));
      auto db = f.open();
      CHECK_NOTHROW(migrate(*db));
      CHECK(inspect_schema(*db).version == migrations().back().version);
      CHECK(db->verify().empty());
    }
  });
}

TEST_CASE("one database survives being killed at every statement in turn") {
  on_each_backend([](const std::string& backend) {
    place f{backend};
    for (std::size_t i = 0; i < statement_count(backend); ++i)
      CHECK(migrate_and_die(f, 1, true) == (i + 1 < statement_count(backend)));
    auto db = f.open();
    CHECK(migrate(*db).empty());
    CHECK(db->verify().empty());
  });
}

TEST_CASE("a database newer than the binary is refused, as is a changed migration") {
  on_each_backend([](const std::string& backend) {
    place f{backend};
    auto db = f.open();
    migrate_options newer;
    newer.set = migrations();
    newer.set.push_back(
        make_migration("9999_from_the_future.sql", "CREATE TABLE future (x {int});\n"));
    migrate(*db, newer);
    auto error = refused([&] { migrate(*db); });
    CHECK(error.code == ec::config_invalid);
    CHECK(std::string{error.what()}.find("9999") != std::string::npos);
    CHECK(refused([&] { inspect_schema(*db); }).code == ec::config_invalid);
    auto changed = newer.set;
    changed[0].checksum = "something else";
    error = refused([&] { inspect_schema(*db, changed); });
    CHECK(error.code == ec::config_invalid);
    CHECK(std::string{error.what()}.find("foundation") != std::string::npos);
  });
}

TEST_CASE("a statement that fails leaves the schema as it was, where that can be had") {
  on_each_backend([](const std::string& backend) {
    place f{backend};
    auto db = f.open();
    if (!db->schema().transactional_ddl())
      return;
    migrate_options options;
    options.set = {make_migration("0001_good.sql", "CREATE TABLE one (x {int});\n"),
                   make_migration("0002_bad.sql",
                                  "CREATE TABLE two (x {int});\nCREATE TABLE one (x {int});\n")};
    CHECK(refused([&] { migrate(*db, options); }).code == ec::internal);
    CHECK(inspect_schema(*db, options.set).version == 1);
    options.set[1] = make_migration("0002_bad.sql", "CREATE TABLE two (x {int});\n");
    CHECK(migrate(*db, options) == std::vector<std::int64_t>{2});
  });
}

// A connection to PostgreSQL itself waits for the schema as long as it takes.
TEST_CASE("a node that starts on SQLite waits for another one's migration") {
  place f{"sqlite"};
  auto impatient = make_sqlite_factory(f.url(), {.busy_limit_ms = 20});
  auto other = f.open(), db = impatient->open(access::write);
  migrate(*other);
  std::optional<unit_of_work> migrating;
  migrating.emplace(*other, access::write);
  int waited = 0;
  migrate_options options;

  SUBCASE("until it is done") {
    options.waits = [&] {
      if (++waited == 2)
        migrating.reset();
    };
    CHECK(migrate(*db, options).empty());
    CHECK(waited == 2);
  }

  SUBCASE("but not for ever") {
    options.others_limit_ms = 0;
    auto error = refused([&] { migrate(*db, options); });
    CHECK(error.code == ec::store_unavailable);
    CHECK(std::string{error.what()}.find("busy") != std::string::npos);
  }
}

TEST_CASE("several nodes that start at once migrate once") {
  on_each_backend([](const std::string& backend) {
    place f{backend};
    std::atomic<std::size_t> ran{0};
    std::atomic<int> failed{0};
    std::vector<std::thread> nodes;
    for (int i = 0; i < 4; ++i)
      nodes.emplace_back([&] {
        try {
          ran += migrate(*f.open()).size();
        } catch (const failure& error) {
          ++failed;
          MESSAGE(std::string{error.what()});
        }
      });
    for (auto& node : nodes)
      node.join();
    CHECK(failed == 0);
    CHECK(ran == migrations().size());
  });
}

TEST_CASE("statements are split at line ends and chosen by dialect") {
  auto made = make_migration("0007_x.sql", "-- a comment; with a semicolon\n"
                                           "CREATE TABLE a (\n  x {int}\n);\n\n"
                                           "-- only: mysql\nCREATE INDEX m ON a (x);\n"
                                           "-- only: sqlite postgresql\n"
                                           "CREATE INDEX s ON a (x) WHERE x = ';';\n");
  CHECK(made.version == 7);
  CHECK(made.name == "x");
  CHECK(made.statements("mysql").size() == 2);
  REQUIRE(made.statements("sqlite").size() == 2);
  CHECK(made.statements("sqlite")[1] == "CREATE INDEX s ON a (x) WHERE x = ';'");
  CHECK(made.checksum.size() == 64);
  for (const char* name : {"x.sql", "1x.sql", "0001_x", "_x.sql", "0000_x.sql"})
    CHECK(refused([&] { make_migration(name, ""); }).code == ec::internal);
  CHECK(
      refused([] { make_migration("0001_x.sql", "CREATE TABLE a (x)").statements("sqlite"); }).code
      == ec::internal);
}
