// The store on its own threads: many askers, a locked database, a database that went away.
#include "tests/support/backends.hpp"
#include "tests/support/mariadb.hpp"
#include "tests/support/postgres.hpp"
#include "tests/support/process.hpp"
#include "tests/support/store_system.hpp"
#include "tests/support/turns.hpp"

#include <doctest/doctest.h>

#include <caf/event_based_actor.hpp>
#include <caf/scoped_actor.hpp>

#include <atomic>
#include <filesystem>
#include <thread>

using namespace troupe;
using namespace std::chrono_literals;
using test::finish_turn;
using test::new_turn;
using test::store_system;

namespace {

ec code_of(const caf::error& error) { return info(error).code; }

template <class Condition>
bool within(std::chrono::milliseconds limit, Condition&& condition) {
  auto until = std::chrono::steady_clock::now() + limit;
  while (!condition())
    if (std::chrono::steady_clock::now() > until)
      return false;
  return true;
}

v1::LoadSession load(const std::string& id) {
  v1::LoadSession out;
  out.set_conversation_id(id);
  return out;
}

} // namespace

namespace {

void serve_many(store_system& s) {
  constexpr int chains = 32;
  constexpr int turns = 10;
  std::atomic<int> finished{0};
  std::atomic<int> failed{0};
  for (int i = 0; i < chains; ++i)
    s.system().spawn([&, i](caf::event_based_actor* self) {
      auto next = std::make_shared<std::function<void(int)>>();
      *next = [&, self, i, weak = std::weak_ptr{next}](int left) {
        auto go_on = weak.lock();
        auto fail = [&](const caf::error&) { ++failed; };
        auto turn = new_turn("c" + std::to_string(i), "x");
        self->request(s.store(), 30s, AcceptTurn{turn})
            .then(
                [&, self, turn, left, go_on, fail](const TurnStored&) {
                  self->request(s.store(), 30s, AdvanceTurn{finish_turn(turn, "y")})
                      .then(
                          [&, left, go_on](const TurnStored&) {
                            ++finished;
                            if (left > 1)
                              (*go_on)(left - 1);
                          },
                          fail);
                },
                fail);
      };
      (*next)(turns);
    });
  CHECK(within(60s, [&] { return finished + failed == chains * turns || failed > 0; }));
  CHECK(failed == 0);
  auto status = s.ask<v1::StoreStatus>(v1::GetStoreStatus{});
  REQUIRE(status);
  CHECK((*status)->rows_written() == chains * turns * 2);
  CHECK((*status)->commits() < chains * turns); // grouped
  for (int i = 0; i < chains; ++i)
    CHECK((*s.ask<v1::SessionLoaded>(load("c" + std::to_string(i))))->messages_size() == 2);
  CHECK(s.factory()->open(persistence::access::read)->verify().empty());
}

} // namespace

TEST_CASE("a store serves many askers at once, and every turn is there in the end") {
  test::on_each_backend([](const std::string& backend) {
    test::empty_database place{backend};
    store_system s{place.connect()};
    serve_many(s);
  });
}

TEST_CASE("a database that another process has locked is a clear error, and works afterwards") {
  test::temp_dir dir;
  persistence::sqlite_options sqlite;
  sqlite.busy_limit_ms = 100;
  store_system s{dir.path() + "/troupe.db", {}, sqlite};
  CHECK(s.ask<v1::TurnStored>(new_turn("c1", "x")));
  auto other = persistence::open_sqlite(dir.path() + "/troupe.db", persistence::access::write);
  {
    persistence::unit_of_work lock{*other, persistence::access::write};
    auto refused = s.ask<v1::TurnStored>(new_turn("c1", "x"));
    REQUIRE(!refused);
    CHECK(code_of(refused.error()) == ec::store_unavailable);
    CHECK(describe(refused.error()).find("another process") != std::string::npos);
    // Readers are not held up.
    CHECK(s.ask<v1::SessionLoaded>(load("c1")));
    CHECK(!(*s.ask<v1::StoreStatus>(v1::GetStoreStatus{}))->writable());
  }
  CHECK(s.ask<v1::TurnStored>(new_turn("c1", "x")));
  CHECK((*s.ask<v1::StoreStatus>(v1::GetStoreStatus{}))->writable());
}

TEST_CASE("a store whose database turns to noise says so and does not fall over") {
  test::temp_dir dir;
  auto path = dir.path() + "/troupe.db";
  persistence::sqlite_options sqlite;
  sqlite.cache_bytes = 64 * 1'024;
  sqlite.mmap_bytes = 0;
  {
    store_system s{path, {}, sqlite};
    for (int i = 0; i < 50; ++i)
      CHECK(s.ask<v1::TurnStored>(new_turn("c" + std::to_string(i), std::string(4'000, 'x'))));
  }
  std::filesystem::resize_file(path, 6 * 4'096);
  persistence::database_factory_ptr factory = persistence::make_sqlite_factory(path, sqlite);
  system_config config;
  probes all;
  caf::actor_system system{config};
  actor_host host{&system, &all};
  auto store = troupe::spawn(host, troupe::store, store_options{host, factory, {}, system_clock()});
  {
    caf::scoped_actor self{system};
    for (int i = 0; i < 20; ++i)
      self->request(store, 30s, AcceptTurn{new_turn("c" + std::to_string(i), "x")})
          .receive([](const TurnStored&) {},
                   [](const caf::error& e) { CHECK(code_of(e) == ec::store_unavailable); });
    bool alive = false;
    self->request(store, 30s, GetStoreStatus{})
        .receive([&](const StoreStatus& x) { alive = !x->writable(); }, [](const caf::error&) {});
    CHECK(alive);
  }
  caf::anon_send_exit(store, caf::exit_reason::user_shutdown);
}

namespace {

/// A test for each database that is a server.
void on_each_server(const std::function<void(const std::string&)>& body) {
  SUBCASE("PostgreSQL") { body("postgresql"); }
  SUBCASE("MariaDB") { body("mysql"); }
}

} // namespace

TEST_CASE("a store finds its database server again after a crash, and nothing is lost") {
  on_each_server([](const std::string& backend) {
    auto pg = backend == "postgresql";
    test::empty_database place{backend};
    store_system s{place.connect()};
    auto before = new_turn("c1", "before");
    REQUIRE(s.ask<v1::TurnStored>(before));
    pg ? test::postgres().kill() : test::mariadb().kill();
    auto refused = s.ask<v1::TurnStored>(new_turn("c1", "meanwhile"));
    REQUIRE(!refused);
    CHECK(code_of(refused.error()) == ec::store_unavailable);
    CHECK(!s.ask<v1::SessionLoaded>(load("c1")));
    CHECK(!(*s.ask<v1::StoreStatus>(v1::GetStoreStatus{}))->writable());
    pg ? test::postgres().start() : test::mariadb().start();
    // It looks after the database by itself.
    CHECK(within(20s, [&] { return (*s.ask<v1::StoreStatus>(v1::GetStoreStatus{}))->writable(); }));
    CHECK((*s.ask<v1::TurnStored>(before))->duplicate());
    CHECK(s.ask<v1::TurnStored>(finish_turn(before, "y")));
    CHECK(within(20s, [&] { return bool{s.ask<v1::SessionLoaded>(load("c1"))}; }));
    CHECK((*s.ask<v1::SessionLoaded>(load("c1")))->messages_size() == 2);
  });
}

TEST_CASE("a store whose connections were cut while it was idle answers the next one") {
  on_each_server([](const std::string& backend) {
    test::empty_database place{backend};
    store_system s{place.connect()};
    REQUIRE(s.ask<v1::TurnStored>(new_turn("c1", "x")));
    REQUIRE(s.ask<v1::SessionLoaded>(load("c1")));
    if (backend == "postgresql")
      test::postgres().run("SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
                           "WHERE application_name = 'troupe'");
    else
      for (const auto& row : test::mariadb().rows(
               "SELECT id FROM information_schema.processlist WHERE user = 'troupe'"))
        test::mariadb().rows("KILL " + row[0]);
    CHECK(s.ask<v1::TurnStored>(new_turn("c1", "y")));
    CHECK(s.ask<v1::SessionLoaded>(load("c1")));
  });
}

TEST_CASE("commands of one group that the database refuses do not take the others with them") {
  test::on_each_backend([](const std::string& backend) {
    test::empty_database place{backend};
    config::store_section limits;
    limits.commit_delay_ms = 200; // until all have come
    store_system s{place.connect(), limits};
    REQUIRE(s.ask<v1::TurnStored>(new_turn("c0", "x")));
    std::atomic<int> good{0};
    std::atomic<int> bad{0};
    for (int i = 0; i < 40; ++i)
      s.system().spawn([&, i](caf::event_based_actor* self) {
        auto turn = new_turn("c" + std::to_string(i), "x");
        if (i % 4 == 0)
          turn.set_leaf_id("nowhere");
        self->request(s.store(), 30s, AcceptTurn{turn})
            .then([&](const TurnStored&) { ++good; }, [&](const caf::error&) { ++bad; });
      });
    CHECK(within(30s, [&] { return good + bad == 40; }));
    CHECK(good == 30);
    auto status = *s.ask<v1::StoreStatus>(v1::GetStoreStatus{});
    CHECK(status->rows_written() == 31);
    CHECK(status->commits() < 31); // grouped
    CHECK(s.factory()->open(persistence::access::read)->verify().empty());
  });
}
