// PostgreSQL beside the repositories: what it is asked, what it says, and what it loses.
#include "config/config.hpp"
#include "persistence/commands.hpp"
#include "persistence/migration.hpp"
#include "persistence/soci/postgresql.hpp"
#include "tests/support/backends.hpp"
#include "tests/support/postgres.hpp"
#include "tests/support/script_server.hpp"
#include "tests/support/turns.hpp"

#include <doctest/doctest.h>
#include <fmt/format.h>

#include <chrono>
#include <filesystem>
#include <fstream>
#include <functional>

using namespace troupe;
using namespace troupe::persistence;
using namespace std::chrono_literals;
using test::new_turn;
using test::on_each_backend;
using test::postgres;
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

failure open(const std::string& url, persistence::access mode = persistence::access::write) {
  return refused([&] {
    postgresql_options quick;
    quick.connect_limit_ms = 2'000;
    make_postgresql_factory(url, quick)->open(mode);
  });
}

} // namespace

TEST_CASE("stored bytes are what they were, whatever they are") {
  on_each_backend([](test_database& t) {
    std::string all;
    for (int i = 0; i < 256; ++i)
      all += static_cast<char>(i);
    for (const auto& bytes : {all, std::string(1, '\0'), std::string{"\\x00"}, std::string{},
                              std::string(3'000'000, '\xff')}) {
      CAPTURE(bytes.size());
      auto turn = new_turn("c1", "x");
      auto& message = *turn.mutable_messages(0);
      message.clear_parts();
      if (!bytes.empty())
        message.GetReflection()->MutableUnknownFields(&message)->AddLengthDelimited(9'999, bytes);
      accept_turn(t.db(), turn, now);
      auto found = t.db().messages().find(message.id());
      REQUIRE(found);
      const auto& unknown = found->GetReflection()->GetUnknownFields(*found);
      CHECK(unknown.field_count() == (bytes.empty() ? 0 : 1));
      if (unknown.field_count() == 1)
        CHECK(unknown.field(0).length_delimited() == bytes);
    }
  });
}

TEST_CASE("texts that a database may not hold are refused, or mended where nobody can be asked") {
  on_each_backend([](test_database& t) {
    auto& db = t.db();
    const std::string zero{"a\0b", 3};
    for (const auto& bad : {zero, std::string{"\xff\xfe"}}) {
      v1::CreateConversation create;
      create.mutable_conversation()->set_title(bad);
      CHECK(refused([&] { create_conversation(db, create, now); }).code == ec::invalid_argument);
      create.mutable_conversation()->clear_title();
      create.mutable_conversation()->set_session_key(bad);
      CHECK(refused([&] { create_conversation(db, create, now); }).code == ec::invalid_argument);
      CHECK(refused([&] { accept_turn(db, new_turn("c1", "x", bad), now); }).code
            == ec::invalid_argument);
      v1::CreateApiKey key;
      key.set_name(bad);
      CHECK(refused([&] { create_api_key(db, key, now); }).code == ec::invalid_argument);
      auto turn = new_turn("c2", "x");
      accept_turn(db, turn, now);
      auto end = test::finish_turn(turn, "y");
      end.set_title(bad);
      end.mutable_messages(0)->set_model(bad);
      *end.mutable_usage() = test::usage_record("r" + bad, "p", now.now_us);
      end.mutable_usage()->set_model(bad);
      *end.add_outbox() = test::outbox_row(turn.turn().id(), "y");
      advance_turn(db, end, now);
      CHECK(db.conversations().find("c2")->title().find("\xef\xbf\xbd") != std::string::npos);
      CHECK(db.ledger().list({}, {}, 1).at(0).model().find("\xef\xbf\xbd") != std::string::npos);
      v1::SettleOutbox settle;
      settle.set_id(end.outbox(0).id());
      settle.set_status(v1::OUTBOX_STATUS_DEAD);
      settle.set_error(bad);
      settle.set_platform_message_id(bad);
      settle_outbox(db, settle, now);
      CHECK(db.outbox().find(settle.id())->error().find("\xef\xbf\xbd") != std::string::npos);
    }
  });
}

TEST_CASE("ids are in the order of their bytes, whatever the database's language") {
  on_each_backend([](test_database& t) {
    for (const char* id : {"a", "B", "_", "b", "A"}) {
      auto turn = new_turn("c1", "x");
      turn.mutable_turn()->set_id(id);
      accept_turn(t.db(), turn, now);
    }
    std::string order;
    for (const auto& turn : t.db().turns().unfinished("", 10))
      order += turn.id();
    CHECK(order == "AB_ab");
    CHECK(t.db().turns().unfinished("B", 10).size() == 3);
  });
}

TEST_CASE("a PostgreSQL database is shown without its password") {
  auto factory = make_postgresql_factory("postgresql://me:geheim@db.example:5433/chat");
  CHECK(factory->location() == "postgresql://me@db.example:5433/chat");
  factory = make_postgresql_factory("host=db.example user=me password='ge heim' dbname=chat");
  CHECK(factory->location() == "postgresql://me@db.example/chat");
  for (const char* bad : {"", "geheim", "postgresql://me:ge%heim@h/d", "host=x pass wort=geheim"}) {
    auto error = refused([&] { make_postgresql_factory(bad); });
    CHECK(error.code == ec::config_invalid);
    CHECK(says(error, "postgresql://"));
    CHECK(!says(error, "geheim"));
  }
}

TEST_CASE("a password may hold blanks and quotes") {
  postgres().run(R"(CREATE ROLE odd LOGIN PASSWORD 'a "b''=c\d e')");
  CHECK(open(postgres().url({}, "odd", "a%20%22b%27%3Dc%5Cd%20e")).code == ec::none);
  postgres().run("DROP ROLE odd");
}

TEST_CASE("a database that cannot be opened says what to do") {
  auto wrong = open(postgres().url({}, "troupe", "geheim"));
  CHECK(wrong.code == ec::store_unavailable);
  CHECK(wrong.hurt == damage::connection);
  CHECK(says(wrong, "the password in store.url is wrong"));
  CHECK(!says(wrong, "geheim"));
  CHECK(says(open(postgres().url({}, "troupe", "secret", "nowhere")), "createdb"));
  CHECK(says(open("postgresql://me:x@127.0.0.1:1/d"), "is it running"));
  CHECK(says(open(postgres().url("sslmode=require")), "TLS"));
  CHECK(says(open("postgresql://me:x@no-such-host.invalid/d"), "name"));
  // One that accepts and says nothing.
  test::script_server silent{[](test::peer& client) { client.wait_closed(60s); }};
  auto start = std::chrono::steady_clock::now();
  CHECK(open("postgresql://me:x@127.0.0.1:" + std::to_string(silent.port()) + "/d").code
        == ec::store_unavailable);
  CHECK(std::chrono::steady_clock::now() - start < 10s);
}

TEST_CASE("a user without rights is told which it lacks") {
  postgres().run("CREATE ROLE guest LOGIN PASSWORD 'x'; CREATE SCHEMA closed");
  auto factory =
      make_postgresql_factory(postgres().url("options=-csearch_path%3Dclosed", "guest", "x"));
  auto error = refused([&] { migrate(*factory->open(persistence::access::write)); });
  CHECK(error.code == ec::store_unavailable);
  CHECK(says(error, "USAGE and CREATE"));
  postgres().run("GRANT USAGE ON SCHEMA closed TO guest");
  error = refused([&] { migrate(*factory->open(persistence::access::write)); });
  CHECK(error.code == ec::store_unavailable);
  CHECK(says(error, "grant it USAGE and CREATE"));
  factory = make_postgresql_factory(postgres().url("options=-csearch_path%3Dmissing"));
  error = refused([&] { migrate(*factory->open(persistence::access::write)); });
  CHECK(says(error, "search_path"));
  postgres().run("REVOKE CONNECT ON DATABASE postgres FROM PUBLIC");
  CHECK(says(open(postgres().url({}, "guest", "x")), "GRANT CONNECT"));
  postgres().run(
      "GRANT CONNECT ON DATABASE postgres TO PUBLIC; ALTER ROLE guest CONNECTION LIMIT 0");
  CHECK(says(open(postgres().url({}, "guest", "x")), "raise its limit"));
  postgres().run("DROP SCHEMA closed; DROP ROLE guest");
}

TEST_CASE("a schema of the same name beside the own one is not taken for it") {
  test_database full{"postgresql"};
  test::empty_database empty{"postgresql"};
  auto db = empty.connect()->open(persistence::access::write);
  CHECK(inspect_schema(*db).applied.empty());
  CHECK(migrate(*db).size() == migrations().size());
}

TEST_CASE("a database that may only be read says so") {
  test_database t{"postgresql"};
  auto reader = t.factory()->open(persistence::access::read);
  auto error = refused([&] {
    unit_of_work unit{*reader, persistence::access::read};
    reader->probe_write(1);
  });
  CHECK(error.code == ec::store_unavailable);
  CHECK(error.hurt == damage::connection);
  postgres().run("ALTER SYSTEM SET default_transaction_read_only = on");
  postgres().run("SELECT pg_reload_conf()");
  CHECK(test::eventually([&] { return says(open(t.place().url()), "standby or read-only"); }));
  CHECK(open(t.place().url(), persistence::access::read).code == ec::none);
  auto url = postgres().url("options=-cdefault_transaction_read_only%3Doff");
  make_postgresql_factory(url)
      ->open(persistence::access::write)
      ->schema()
      .execute("ALTER SYSTEM RESET default_transaction_read_only");
  make_postgresql_factory(url)
      ->open(persistence::access::write)
      ->schema()
      .execute("SELECT pg_reload_conf()");
  CHECK(test::eventually([&] { return open(t.place().url()).code == ec::none; }));
}

TEST_CASE("a failed command leaves the others of its group, and the transaction cannot be lost "
          "unseen") {
  on_each_backend([](test_database& t) {
    auto& db = t.db();
    {
      unit_of_work unit{db, persistence::access::write};
      accept_turn(db, new_turn("c1", "x"), now);
      db.set_savepoint();
      auto broken = new_turn("c2", "x");
      broken.mutable_messages(0)->set_turn_id("t");
      CHECK(refused([&] {
              accept_turn(db, broken, now);
              db.schema().execute("INSERT INTO turns SELECT * FROM turns"); // keys that are taken
            }).code
            == ec::conflict);
      db.rollback_savepoint();
      db.set_savepoint();
      accept_turn(db, new_turn("c3", "x"), now);
      db.release_savepoint();
      unit.commit();
    }
    CHECK(db.conversations().find("c1"));
    CHECK(!db.conversations().find("c2"));
    CHECK(db.conversations().find("c3"));
    CHECK(db.verify().empty());
  });
  test_database t{"postgresql"};
  unit_of_work unit{t.db(), persistence::access::write};
  accept_turn(t.db(), new_turn("c1", "x"), now);
  CHECK(refused([&] { t.db().schema().execute("SELECT 1 / 0"); }).code == ec::internal);
  CHECK(refused([&] { unit.commit(); }).code == ec::internal);
}

TEST_CASE("what PostgreSQL reports becomes a failure that says what is left of the transaction") {
  test_database t{"postgresql"};
  struct known {
    const char* state;
    ec code;
    damage hurt;
    bool again;
  };
  const known all[] = {
      {"40001", ec::store_unavailable, damage::transaction, true},
      {"40P01", ec::store_unavailable, damage::transaction, true},
      {"53100", ec::store_unavailable, damage::transaction, false}, // disk full
      {"53200", ec::store_unavailable, damage::transaction, false}, // out of memory
      {"53300", ec::store_unavailable, damage::connection, false},  // too many connections
      {"57P01", ec::store_unavailable, damage::connection, false},  // shutting down
      {"08006", ec::store_unavailable, damage::connection, false},
      {"25006", ec::store_unavailable, damage::connection, false}, // read-only
      {"58030", ec::store_unavailable, damage::connection, false}, // I/O error
      {"XX001", ec::store_unavailable, damage::connection, false}, // damaged
      {"42P01", ec::store_unavailable, damage::none, false},       // no such table
      {"23503", ec::conflict, damage::none, false},
      {"23505", ec::conflict, damage::none, false},
      {"22001", ec::too_large, damage::none, false},
      {"54000", ec::too_large, damage::none, false},
      {"22021", ec::invalid_argument, damage::none, false},
      {"42601", ec::internal, damage::none, false},
      {"XX000", ec::internal, damage::none, false},
  };
  for (const auto& one : all) {
    CAPTURE(one.state);
    auto error = refused([&] {
      t.db().schema().execute("DO $$ BEGIN RAISE EXCEPTION 'seen' USING ERRCODE = '"
                              + std::string{one.state} + "', DETAIL = 'geheim'; END $$");
    });
    CHECK(error.code == one.code);
    CHECK(error.hurt == one.hurt);
    CHECK(error.again == one.again);
    CHECK(says(error, "seen"));
    CHECK(!says(error, "geheim"));
  }
}

TEST_CASE("a statement that takes too long, or waits too long for rows, is given up") {
  test_database t{"postgresql"};
  accept_turn(t.db(), new_turn("c1", "x"), now);
  postgresql_options quick;
  quick.statement_limit_ms = 100;
  quick.lock_limit_ms = 50;
  auto other = make_postgresql_factory(t.place().url(), quick)->open(persistence::access::write);
  auto slow = refused([&] { other->schema().execute("SELECT pg_sleep(60)"); });
  CHECK(slow.code == ec::store_unavailable);
  CHECK(slow.hurt == damage::transaction);
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

TEST_CASE("a node that is cut off keeps no rows as long as a lease, nor its connection for long") {
  CHECK(postgresql_options{}.idle_limit_ms < config::cluster_section{}.lease_ms);
  test_database t{"postgresql"};
  auto as_a_node = make_postgresql_factory(t.place().url())->open(persistence::access::write);
  for (auto [name, most] : {std::pair{"idle_in_transaction_session_timeout", "1000"},
                            {"tcp_user_timeout", "2000"},
                            {"tcp_keepalives_idle", "1"},
                            {"tcp_keepalives_interval", "1"}})
    CHECK_NOTHROW(as_a_node->schema().execute(fmt::format(
        "DO $$ BEGIN ASSERT (SELECT setting FROM pg_settings WHERE name = '{}') = '{}'; "
        "END $$",
        name, most)));
}

TEST_CASE("a node that hangs within a transaction does not hold its rows") {
  test_database t{"postgresql"};
  accept_turn(t.db(), new_turn("c1", "x"), now);
  postgresql_options quick;
  quick.idle_limit_ms = 50;
  auto hanging = make_postgresql_factory(t.place().url(), quick)->open(persistence::access::write);
  unit_of_work theirs{*hanging, persistence::access::write};
  hanging->conversations().hold("c1");
  unit_of_work unit{t.db(), persistence::access::write};
  CHECK(t.db().conversations().hold("c1"));
  unit.commit();
  auto lost = refused([&] { hanging->conversations().hold("c1"); });
  CHECK(lost.code == ec::store_unavailable);
  CHECK(lost.hurt == damage::connection);
}

TEST_CASE("a damaged index and rows without their conversation are found") {
  test_database t{"postgresql"};
  accept_turn(t.db(), new_turn("c1", "x"), now);
  CHECK(t.db().verify().empty());
  t.db().schema().execute("UPDATE pg_index SET indisvalid = false WHERE indexrelid = "
                          "'turns_of_conversation'::regclass");
  auto found = t.db().verify();
  REQUIRE(found.size() == 1);
  CHECK(found[0].check == "integrity");
  t.db().schema().execute("UPDATE pg_index SET indisvalid = true WHERE indexrelid = "
                          "'turns_of_conversation'::regclass");
  t.db().schema().execute("SET session_replication_role = replica");
  t.db().schema().execute("DELETE FROM conversations");
  found = t.db().verify();
  REQUIRE(!found.empty());
  CHECK(found[0].check == "foreign_keys");
}

TEST_CASE("a node with its data in PostgreSQL answers, and its keys are made there") {
  test::empty_database place{"postgresql"};
  test::temp_dir dir;
  auto config = "store:\n  backend: postgresql\n  url: " + place.url() + "\n";
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
