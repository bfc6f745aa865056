// MariaDB beside the repositories: what it is asked, what it says, and what it loses.
#include "cluster/link/certificates.hpp"
#include "config/config.hpp"
#include "persistence/commands.hpp"
#include "persistence/migration.hpp"
#include "persistence/soci/mysql.hpp"
#include "tests/support/backends.hpp"
#include "tests/support/mariadb.hpp"
#include "tests/support/script_server.hpp"
#include "tests/support/turns.hpp"

#include <doctest/doctest.h>
#include <fmt/format.h>

#include <chrono>
#include <filesystem>
#include <fstream>
#include <functional>
#include <thread>

using namespace troupe;
using namespace troupe::persistence;
using namespace std::chrono_literals;
using test::mariadb;
using test::new_turn;
using test::test_database;

namespace {

constexpr command_env now{1'700'000'000'000'000};

failure refused(const std::function<void()>& work) {
  try {
    work();
  } catch (const failure& error) {
    return error;
  }
  return {ec::none, "it was not refused"};
}

bool says(const failure& error, const std::string& part) {
  return std::string{error.what()}.find(part) != std::string::npos;
}

failure open(const std::string& url) {
  return refused([&] { make_mysql_factory(url)->open(persistence::access::write); });
}

/// The name of a database at the test's server.
std::string name_of(const std::string& url) { return url.substr(url.rfind('/') + 1); }

} // namespace

TEST_CASE("a MariaDB database is shown without its password") {
  auto shown = [](const std::string& url) { return make_mysql_factory(url)->location(); };
  CHECK(shown("mysql://me:geheim@db.example:3307/chat") == "mysql://me@db.example:3307/chat");
  CHECK(shown("mariadb://me:ge%40heim@db.example/chat") == "mysql://me@db.example/chat");
  CHECK(shown("mysql://me:geheim@[::1]:3306/chat") == "mysql://me@[::1]:3306/chat");
  CHECK(shown("mysql://me:geheim@/chat?socket=/run/db") == "mysql://me@/chat?socket=/run/db");
  for (const char* bad :
       {"", "geheim", "mysql://me:ge%heim@h/d", "mysql://me:geheim@h", "mysql://me:geheim@/d",
        "mysql://:geheim@h/d", "mysql://me:geheim@h:99999/d", "mysql://me:geheim@h:0/d",
        "mysql://me:geheim@h/d?reconnect=1",
        "mysql://me:geheim@h/d?ssl_ca=", "mysql://me:geheim@h/d?ssl_ca=a&ssl_key=b",
        "mysql://me:geheim@h/d?ssl_cert=a&ssl_key=b", "postgresql://me:geheim@h/d"}) {
    CAPTURE(bad);
    auto error = refused([&] { make_mysql_factory(bad); });
    CHECK(error.code == ec::config_invalid);
    CHECK(says(error, "mysql://"));
    CHECK(!says(error, "geheim"));
  }
}

TEST_CASE("a password may hold blanks, quotes and backslashes") {
  auto database = name_of(mariadb().fresh());
  mariadb().rows(R"(CREATE USER odd IDENTIFIED BY 'a "b''=c\\d e')");
  mariadb().rows("GRANT ALL ON " + database + ".* TO odd");
  CHECK(open(mariadb().url(database, "odd", "a%20%22b%27%3Dc%5Cd%20e")).code == ec::none);
  CHECK(open(fmt::format("mysql://odd:a%20%22b%27%3Dc%5Cd%20e@/{}?socket={}", database,
                         mariadb().socket()))
            .code
        == ec::none);
  mariadb().rows("DROP USER odd");
}

TEST_CASE("with a CA in its URL a MariaDB server is the one that has a certificate of it") {
  auto url = mariadb().fresh();
  CHECK(open(url + "?ssl_ca=" + mariadb().ca()).code == ec::none);
  test::temp_dir dir;
  REQUIRE(!link::make_authority({dir.path() + "/other"}));
  auto other = open(url + "?ssl_ca=" + dir.path() + "/other/ca.crt");
  CHECK(other.code == ec::store_unavailable);
  CHECK(says(other, "TLS with the server failed"));
  CHECK(says(open(url + "?ssl_ca=/nowhere/ca.crt"), "TLS with the server failed"));
  test::mariadb_server plain{false};
  auto there = plain.fresh();
  CHECK(open(there).code == ec::none);
  CHECK(says(open(there + "?ssl_ca=" + mariadb().ca()), "the server speaks no TLS"));
}

TEST_CASE("a MariaDB database that cannot be opened says what to do") {
  auto database = name_of(mariadb().fresh());
  auto wrong = open(mariadb().url(database, "troupe", "geheim"));
  CHECK(wrong.code == ec::store_unavailable);
  CHECK(wrong.hurt == damage::connection);
  CHECK(says(wrong, "the password in store.url is wrong"));
  CHECK(!says(wrong, "geheim"));
  CHECK(says(open(mariadb().url("nowhere")), "CREATE DATABASE"));
  CHECK(says(open("mysql://me:x@127.0.0.1:1/d"), "is it running"));
  CHECK(says(open("mysql://me:x@no-such-host.invalid/d"), "name"));
  mariadb().rows("CREATE USER guest IDENTIFIED BY 'x'");
  CHECK(says(open(mariadb().url(database, "guest", "x")), "GRANT ALL"));
  mariadb().rows("GRANT SELECT ON " + database + ".* TO guest");
  auto lacks = refused([&] {
    migrate(*make_mysql_factory(mariadb().url(database, "guest", "x"))
                 ->open(persistence::access::write));
  });
  CHECK(lacks.code == ec::store_unavailable);
  CHECK(says(lacks, "GRANT ALL"));
  mariadb().rows("DROP USER guest");
  // One that accepts and says nothing.
  test::script_server silent{[](test::peer& client) { client.wait_closed(60s); }};
  auto start = std::chrono::steady_clock::now();
  CHECK(open("mysql://me:x@127.0.0.1:" + std::to_string(silent.port()) + "/d").code
        == ec::store_unavailable);
  CHECK(std::chrono::steady_clock::now() - start < 10s);
}

TEST_CASE("what the server is set to does not matter: its rules for texts, its time zone") {
  test_database t{"mysql"};
  CHECK(mariadb().rows("SELECT @@GLOBAL.sql_mode, @@GLOBAL.time_zone")[0]
        == std::vector<std::string>{"", "+05:45"});
  auto before = std::chrono::duration_cast<std::chrono::microseconds>(
                    std::chrono::system_clock::now().time_since_epoch())
                    .count();
  CHECK(std::abs(t.db().cluster().now_us() - before) < 60'000'000);
  // A text is compared with the blanks at its end, and in the case it has.
  for (const char* key : {"k", "k ", "K", "\xc3\xa9", "e"}) {
    v1::CreateConversation create;
    create.mutable_conversation()->set_session_key(key);
    CHECK(create_conversation(t.db(), create, now).session_key() == key);
  }
  auto found = t.db().conversations().find_by_session_key("k ");
  REQUIRE(found);
  CHECK(found->session_key() == "k ");
}

TEST_CASE("what a repository adds is whole or refused, never cut") {
  test_database t{"mysql"};
  v1::UsageRecord record = test::usage_record("r", std::string(65, 'p'), now.now_us);
  auto cut = refused([&] {
    unit_of_work unit{t.db(), persistence::access::write};
    t.db().ledger().insert(record);
    unit.commit();
  });
  CHECK(cut.code == ec::too_large);
  CHECK(t.db().ledger().list({}, {}, 10).empty());
  // A row without its parent is no row whose key is taken.
  auto turn = new_turn("c1", "x");
  CHECK(refused([&] { t.db().messages().insert(turn.messages(0), 0); }).code == ec::conflict);
}

TEST_CASE("a transaction that the server ended cannot be committed") {
  test_database t{"mysql"};
  unit_of_work unit{t.db(), persistence::access::write};
  accept_turn(t.db(), new_turn("c1", "x"), now);
  t.db().rollback();
  CHECK(refused([&] { unit.commit(); }).code == ec::internal);
  // One that was ended by a statement that failed.
  unit_of_work other{t.db(), persistence::access::write};
  CHECK(refused([&] { t.db().schema().execute("CREATE TABLE turns (x INT)"); }).code
        == ec::internal);
  CHECK(refused([&] { other.commit(); }).code == ec::internal);
  CHECK(!t.db().conversations().find("c1"));
}

TEST_CASE("two that change the same rows at once: one goes on, the other may try again") {
  test_database t{"mysql"};
  for (const char* id : {"c1", "c2"})
    accept_turn(t.db(), new_turn(id, "x"), now);
  auto other = t.place().connect()->open(persistence::access::write);
  failure ours_ended{ec::none, ""}, theirs_ended{ec::none, ""};
  {
    unit_of_work ours{t.db(), persistence::access::write};
    t.db().conversations().hold("c1");
    std::jthread their{[&] {
      unit_of_work theirs{*other, persistence::access::write};
      other->conversations().hold("c2");
      theirs_ended = refused([&] { other->conversations().hold("c1"); });
    }};
    // InnoDB's own tables of locks change only for who looks seldom.
    CHECK(test::eventually([&] {
      return !mariadb()
                  .rows("SELECT id FROM information_schema.processlist WHERE info LIKE 'SELECT "
                        "id, owner_id%FOR UPDATE' AND time_ms > 20")
                  .empty();
    }));
    ours_ended = refused([&] {
      t.db().conversations().hold("c2");
      ours.commit();
    });
  }
  CHECK((ours_ended.code == ec::none) != (theirs_ended.code == ec::none));
  const auto& lost = ours_ended.code == ec::none ? theirs_ended : ours_ended;
  CHECK(lost.code == ec::store_unavailable);
  CHECK(lost.hurt == damage::transaction);
  CHECK(lost.again);
}

TEST_CASE("a statement of MariaDB that takes too long, or waits too long for rows, is given up") {
  test_database t{"mysql"};
  accept_turn(t.db(), new_turn("c1", "x"), now);
  mysql_options quick;
  quick.statement_limit_ms = 100;
  quick.lock_limit_ms = 1'000;
  auto hasty = make_mysql_factory(t.place().url(), quick)->open(persistence::access::write);
  auto slow = refused([&] { hasty->schema().execute("SELECT SLEEP(60)"); });
  CHECK(slow.code == ec::store_unavailable);
  CHECK(slow.hurt == damage::transaction);
  quick.statement_limit_ms = 0;
  auto other = make_mysql_factory(t.place().url(), quick)->open(persistence::access::write);
  unit_of_work unit{t.db(), persistence::access::write};
  t.db().conversations().hold("c1");
  auto held = refused([&] {
    unit_of_work theirs{*other, persistence::access::write};
    other->conversations().hold("c1");
  });
  CHECK(held.code == ec::store_unavailable);
  CHECK(says(held, "holds the rows"));
  unit.commit();
}

TEST_CASE("a node that hangs within a transaction of MariaDB does not hold its rows") {
  CHECK(mysql_options{}.idle_limit_ms < config::cluster_section{}.lease_ms);
  test_database t{"mysql"};
  accept_turn(t.db(), new_turn("c1", "x"), now);
  auto hanging = make_mysql_factory(t.place().url())->open(persistence::access::write);
  unit_of_work theirs{*hanging, persistence::access::write};
  hanging->conversations().hold("c1");
  unit_of_work unit{t.db(), persistence::access::write};
  CHECK(t.db().conversations().hold("c1"));
  unit.commit();
  auto lost = refused([&] { hanging->conversations().hold("c1"); });
  CHECK(lost.code == ec::store_unavailable);
  CHECK(lost.hurt == damage::connection);
}

TEST_CASE("rows of MariaDB without their conversation are found") {
  test_database t{"mysql"};
  accept_turn(t.db(), new_turn("c1", "x"), now);
  CHECK(t.db().verify().empty());
  t.db().schema().execute("SET foreign_key_checks = 0");
  t.db().schema().execute("DELETE FROM conversations");
  auto found = t.db().verify();
  REQUIRE(!found.empty());
  CHECK(found[0].check == "foreign_keys");
}

TEST_CASE("tables that somebody else made are not taken for ours") {
  test::empty_database place{"mysql"};
  auto db = place.connect()->open(persistence::access::write);
  db->schema().execute("CREATE TABLE conversations (x INT)");
  CHECK(refused([&] { migrate(*db); }).code == ec::internal);
}

TEST_CASE("a node with its data in MariaDB answers, and its keys are made there") {
  test::empty_database place{"mysql"};
  test::temp_dir dir;
  auto config = "store:\n  backend: mysql\n  url: " + place.url() + "\n";
  auto run = [&](std::vector<std::string> arguments) {
    std::vector<std::string> command{test::troupe_binary()};
    command.insert(command.end(), arguments.begin(), arguments.end());
    command.insert(command.end(),
                   {"--config", dir.path() + "/troupe.yaml", "--set",
                    "node.data_dir=" + dir.path() + "/data", "--set", "log.level=off"});
    auto log = dir.path() + "/out";
    std::filesystem::remove(log);
    CHECK(test::process{command, {}, log}.wait(30s) == 0);
    std::ifstream in{log};
    return std::string{std::istreambuf_iterator<char>{in}, {}};
  };
  dir.write("troupe.yaml", config);
  CHECK(run({"key", "create", "mine"}).find("sk-troupe-") != std::string::npos);
  test::troupe_node node{dir, config};
  CHECK(!run({"chat", "hello"}).empty());
  CHECK(run({"key", "list"}).find("mine") != std::string::npos);
  CHECK(!std::filesystem::exists(dir.path() + "/data/troupe.db"));
  CHECK(node.log().find("secret") == std::string::npos);
  auto db = place.connect()->open(persistence::access::read);
  CHECK(db->turns().unfinished("", 10).empty());
  CHECK(db->verify().empty());
}
