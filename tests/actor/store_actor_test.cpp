// The store's queueing, grouping and recovery, one message at a time.
#include "actors/store/store.hpp"
#include "actors/store/worker.hpp"
#include "persistence/api_key.hpp"
#include "persistence/migration.hpp"
#include "persistence/soci/sqlite.hpp"
#include "tests/support/actor_fixture.hpp"
#include "tests/support/backends.hpp"
#include "tests/support/turns.hpp"

#include <doctest/doctest.h>

using namespace troupe;
using namespace std::chrono_literals;
using test::finish_turn;
using test::new_turn;

namespace {

/// Opens connections of another factory, or fails as told.
class moody_factory final : public persistence::database_factory {
public:
  explicit moody_factory(persistence::database_factory_ptr good) : good_(std::move(good)) {}
  std::unique_ptr<persistence::database> open(persistence::access mode) override {
    ++opened;
    if (away)
      throw persistence::failure(ec::store_unavailable, "the database is away",
                                 persistence::damage::connection);
    return good_->open(mode);
  }
  std::string backend() const override { return "sqlite"; }
  std::string location() const override { return "here"; }

  bool away = false;
  int opened = 0;

private:
  persistence::database_factory_ptr good_;
};

struct store_fixture : test::actor_fixture {
  store_fixture() { limits.readers = 1; }
  ~store_fixture() {
    caf::anon_send_exit(actor, caf::exit_reason::user_shutdown);
    run();
  }

  void start() {
    actor = troupe::spawn(host, store,
                          store_options{host, factory, limits, clock, /*worker_threads=*/false});
    run();
  }

  template <class Answer, class Command>
  caf::expected<payload<Answer>> call(Command command) {
    return ask<payload<Answer>>(actor, payload<Command>{std::move(command)});
  }

  v1::StoreStatus status() { return **call<v1::StoreStatus>(v1::GetStoreStatus{}); }

  test::test_database database;
  std::shared_ptr<moody_factory> factory = std::make_shared<moody_factory>(database.factory());
  config::store_section limits;
  store_actor actor;
};

v1::LoadSession load(const std::string& id) {
  v1::LoadSession out;
  out.set_conversation_id(id);
  return out;
}

} // namespace

TEST_CASE_FIXTURE(store_fixture, "a store writes a turn and reads it back") {
  start();
  auto turn = new_turn("c1", "hello", "k");
  auto stored = call<v1::TurnStored>(turn);
  REQUIRE(stored);
  CHECK((*stored)->turn_id() == turn.turn().id());
  auto loaded = call<v1::SessionLoaded>(load("c1"));
  REQUIRE(loaded);
  CHECK((*loaded)->messages_size() == 1);
  CHECK((*loaded)->unfinished_size() == 1);
  CHECK((*call<v1::TurnStored>(finish_turn(turn, "hi")))->duplicate() == false);
  CHECK((*call<v1::TurnStored>(turn))->duplicate());
  auto missing = call<v1::SessionLoaded>(load("c2"));
  REQUIRE(!missing);
  CHECK(info(missing.error()).code == ec::not_found);
  CHECK(status().commits() == 3);
  CHECK(status().writable());
  CHECK(status().schema_version() == persistence::migrations().back().version);
  CHECK(database.db().verify().empty());
}

TEST_CASE_FIXTURE(store_fixture, "a lone writer does not wait for company") {
  limits.commit_delay_ms = 5;
  start();
  for (int i = 0; i < 3; ++i)
    CHECK(call<v1::TurnStored>(new_turn("c1", "x"))); // no time passes: the test clock stands
}

TEST_CASE_FIXTURE(store_fixture, "writes that come together are one commit, and each is answered") {
  start();
  caf::scoped_actor self{*system};
  auto send = [&](int count) {
    for (int i = 0; i < count; ++i)
      self->send(actor, AcceptTurn{new_turn("c" + std::to_string(i), "x")});
    run();
  };
  send(10);
  // The first went alone; the nine that came meanwhile went together.
  CHECK(status().commits() == 2);
  CHECK(status().rows_written() == 10);
  // Nine are expected again: four wait for them, but at most the delay.
  send(4);
  CHECK(status().commits() == 2);
  CHECK(status().queued() == 4);
  advance(4ms);
  CHECK(status().commits() == 2);
  advance(1ms);
  CHECK(status().commits() == 3);
  CHECK(status().queued() == 0);
  // Now four are.
  send(4);
  CHECK(status().commits() == 4);
}

TEST_CASE_FIXTURE(store_fixture, "a group is cut at the greatest number of rows") {
  limits.commit_rows_max = 4;
  start();
  caf::scoped_actor self{*system};
  for (int i = 0; i < 11; ++i)
    self->send(actor, AcceptTurn{new_turn("c1", "x")});
  run();
  CHECK(status().rows_written() + status().queued() == 11);
  advance(5ms);
  CHECK(status().rows_written() == 11);
  CHECK(status().commits() == 4); // 1, 4, 4, 2
}

TEST_CASE_FIXTURE(store_fixture, "a command that is refused undoes itself alone") {
  start();
  caf::scoped_actor self{*system};
  auto good = new_turn("c1", "good");
  auto bad = new_turn("c2", "bad");
  bad.set_leaf_id("nowhere");
  auto late = new_turn("c3", "late");
  self->send(actor, AcceptTurn{new_turn("c0", "first")}); // goes alone
  auto a = self->request(actor, caf::infinite, AcceptTurn{good});
  auto b = self->request(actor, caf::infinite, AcceptTurn{bad});
  auto c = self->request(actor, caf::infinite, AcceptTurn{late});
  run();
  ec refused = ec::none;
  int stored = 0;
  a.receive([&](const TurnStored&) { ++stored; }, [](const caf::error&) {});
  b.receive([](const TurnStored&) {}, [&](const caf::error& e) { refused = info(e).code; });
  c.receive([&](const TurnStored&) { ++stored; }, [](const caf::error&) {});
  CHECK(stored == 2);
  CHECK(refused == ec::invalid_argument);
  CHECK(status().commits() == 2);
  CHECK(!database.db().conversations().find("c2"));
  CHECK(database.db().conversations().find("c3"));
}

TEST_CASE_FIXTURE(store_fixture, "a full queue refuses more and recovers") {
  limits.queue_max = 5;
  limits.commit_rows_max = 100;
  start();
  caf::scoped_actor self{*system};
  auto& probe = all_probes.of_type("store");
  probe.mailbox_max = 0; // the queue's own bound is meant here
  std::vector<ec> codes;
  factory->away = true;
  // Nothing leaves the queue while the writer has its first group.
  for (int i = 0; i < 8; ++i)
    self->send(actor, AcceptTurn{new_turn("c1", "x")});
  auto last = self->request(actor, caf::infinite, AcceptTurn{new_turn("c1", "x")});
  run();
  last.receive([](const TurnStored&) { FAIL("it was taken"); },
               [&](const caf::error& e) { codes.push_back(info(e).code); });
  REQUIRE(codes.size() == 1);
  CHECK(codes[0] == ec::overloaded);
  factory->away = false;
  advance(1s);
  auto taken = self->request(actor, caf::infinite, AcceptTurn{new_turn("c1", "x")});
  run();
  advance(5ms); // it had company before
  REQUIRE(self->has_next_message());
  taken.receive([](const TurnStored&) {}, [](const caf::error& e) { FAIL(describe(e)); });
}

TEST_CASE_FIXTURE(store_fixture, "commands that waited too long are refused") {
  limits.request_limit_ms = 50;
  limits.commit_delay_ms = 10'000;
  start();
  caf::scoped_actor self{*system};
  for (int i = 0; i < 3; ++i)
    self->send(actor, AcceptTurn{new_turn("c1", "x")});
  run();
  auto waits = self->request(actor, caf::infinite, AcceptTurn{new_turn("c1", "x")});
  run();
  CHECK(!self->has_next_message());
  advance(200ms);
  REQUIRE(self->has_next_message());
  waits.receive([](const TurnStored&) { FAIL("it was done"); },
                [](const caf::error& e) { CHECK(info(e).code == ec::store_unavailable); });
  auto late = new_turn("c1", "x");
  late.mutable_context()->set_deadline_us(clock->now_us());
  auto refused = call<v1::TurnStored>(late);
  REQUIRE(!refused);
  CHECK(info(refused.error()).code == ec::deadline_exceeded);
}

TEST_CASE_FIXTURE(store_fixture,
                  "a database that is away is a clear error, and is used once back") {
  factory->away = true;
  start();
  auto refused = call<v1::TurnStored>(new_turn("c1", "x"));
  REQUIRE(!refused);
  CHECK(info(refused.error()).code == ec::store_unavailable);
  CHECK(describe(refused.error()) == "the database is away");
  CHECK(!call<v1::SessionLoaded>(load("c1")));
  CHECK(!status().writable());
  CHECK(status().last_error() == "the database is away");
  // Asking often does not mean opening often.
  auto before = factory->opened;
  for (int i = 0; i < 100; ++i)
    CHECK(!call<v1::TurnStored>(new_turn("c1", "x")));
  CHECK(factory->opened == before);
  factory->away = false;
  advance(1s); // nobody asks: the store looks for itself
  CHECK(status().writable());
  CHECK(status().last_error().empty());
  CHECK(call<v1::TurnStored>(new_turn("c1", "x")));
  CHECK(call<v1::SessionLoaded>(load("c1")));
}

TEST_CASE_FIXTURE(store_fixture, "a store that ends answers what waits") {
  limits.commit_delay_ms = 10'000;
  start();
  caf::scoped_actor self{*system};
  for (int i = 0; i < 3; ++i)
    self->send(actor, AcceptTurn{new_turn("c1", "x")});
  run();
  auto waits = self->request(actor, caf::infinite, AcceptTurn{new_turn("c1", "x")});
  run();
  caf::anon_send_exit(actor, caf::exit_reason::user_shutdown);
  actor = nullptr;
  run();
  REQUIRE(self->has_next_message());
  waits.receive([](const TurnStored&) { FAIL("it was done"); },
                [](const caf::error& e) { CHECK(info(e).code == ec::store_unavailable); });
  run();
  CHECK(all_probes.of_type("store_worker").live == 0);
}

TEST_CASE_FIXTURE(store_fixture, "the use of a key is written down later, in one go") {
  start();
  v1::CreateApiKey create;
  create.set_name("mine");
  auto created = call<v1::ApiKeyCreated>(create);
  REQUIRE(created);
  v1::Authorize authorize;
  authorize.set_key_hash(persistence::hash_api_key((*created)->secret()));
  authorize.set_scope("openai");
  auto commits = status().commits();
  auto used = clock->now_us();
  for (int i = 0; i < 5; ++i)
    REQUIRE(call<v1::Principal>(authorize));
  CHECK(status().commits() == commits);
  advance(11s);
  CHECK(status().commits() == commits + 1);
  auto id = (*created)->key().id();
  CHECK(database.db().api_keys().find(id)->last_used_us() == used);
}

TEST_CASE_FIXTURE(store_fixture, "a group holds its shards in their order") {
  auto record = std::make_shared<write_record>(std::make_shared<std::atomic<bool>>(true));
  auto worker = troupe::spawn(
      host, store_worker, store_worker_options{factory, persistence::access::write, clock, record});
  std::vector<std::string> done;
  auto batch = std::make_shared<store_batch>();
  batch->mode = persistence::access::write;
  for (auto [shard, name] : {std::pair{7, "7"}, std::pair{-1, "none"}, std::pair{3, "3, first"},
                             std::pair{3, "3, second"}}) {
    auto& job = batch->jobs.emplace_back();
    job.shard = shard;
    job.work = [&done, name = std::string{name}](auto&, const auto&) {
      done.push_back(name);
      return caf::message{};
    };
  }
  CHECK(ask<Done>(worker, batch));
  CHECK(done == std::vector<std::string>{"none", "3, first", "3, second", "7"});
  caf::anon_send_exit(worker, caf::exit_reason::user_shutdown);
  run();
}
