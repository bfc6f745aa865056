// The keyring and the ledger, before a store that does as it is told.
#include "actors/account/keyring.hpp"
#include "actors/account/ledger.hpp"
#include "persistence/api_key.hpp"
#include "tests/support/actor_fixture.hpp"
#include "tests/support/process.hpp"
#include "tests/support/turns.hpp"

#include <doctest/doctest.h>

#include <map>
#include <set>

using namespace troupe;
using namespace std::chrono_literals;

namespace {

/// What the store below knows and did.
struct script {
  ec failing = ec::none;
  bool silent = false;
  int authorized = 0;
  std::vector<caf::typed_response_promise<Principal>> unanswered; // until keys are listed:
  v1::Principal late;                                             // then with this
  std::map<std::string, v1::Principal> keys;                      // by hash
  std::vector<std::vector<std::string>> groups;
  std::set<std::string> ledger;
};

struct scripted_state {
  static inline const char* name = "scripted_store";
};

using scripted_pointer = self_pointer<store_actor, scripted_state>;

// clang-format off
store_actor::behavior_type scripted(scripted_pointer self, std::shared_ptr<script> s) {
  auto no = [] { return make_error(ec::unsupported); };
  return {
      [no](const CreateConversation&) -> caf::result<Conversation> { return no(); },
      [no](const GetConversation&) -> caf::result<Conversation> { return no(); },
      [no](const ListConversations&) -> caf::result<ConversationPage> { return no(); },
      [no](const UpdateConversation&) -> caf::result<Conversation> { return no(); },
      [no](const DeleteConversation&) -> caf::result<Done> { return no(); },
      [no](const ListMessages&) -> caf::result<MessagePage> { return no(); },
      [no](const AcceptTurn&) -> caf::result<TurnStored> { return no(); },
      [no](const AdvanceTurn&) -> caf::result<TurnStored> { return no(); },
      [no](const GetTurn&) -> caf::result<Turn> { return no(); },
      [no](const ListUnfinishedTurns&) -> caf::result<TurnPage> { return no(); },
      [no](const LoadSession&) -> caf::result<SessionLoaded> { return no(); },
      [no](const LoadBranch&) -> caf::result<SessionLoaded> { return no(); },
      [no](const ClaimOutbox&) -> caf::result<OutboxRows> { return no(); },
      [no](const SettleOutbox&) -> caf::result<Done> { return no(); },
      [no](const CreateApiKey&) -> caf::result<ApiKeyCreated> { return no(); },
      [s](const ListApiKeys&) -> caf::result<ApiKeyPage> {
        for (auto& promise : std::exchange(s->unanswered, {}))
          promise.deliver(Principal{s->late});
        return ApiKeyPage{};
      },
      [s](const RevokeApiKey& x) -> caf::result<Done> {
        if (s->failing != ec::none)
          return make_error(s->failing);
        std::erase_if(s->keys, [&](const auto& k) { return k.second.id() == x->id(); });
        return Done{};
      },
      [s, self](const Authorize& x) -> caf::result<Principal> {
        ++s->authorized;
        if (s->silent) {
          s->unanswered.push_back(self->make_response_promise<Principal>());
          return s->unanswered.back();
        }
        if (s->failing != ec::none)
          return make_error(s->failing);
        auto found = s->keys.find(x->key_hash());
        if (found == s->keys.end())
          return make_error(ec::unauthenticated);
        return Principal{found->second};
      },
      [s](const RecordUsage& x) -> caf::result<Done> {
        if (s->failing != ec::none)
          return make_error(s->failing);
        s->groups.emplace_back();
        for (const auto& record : x->records()) {
          s->groups.back().push_back(record.request_id());
          s->ledger.insert(record.request_id());
        }
        return Done{};
      },
      [](const ListUsage&) -> caf::result<UsagePage> { return UsagePage{}; },
      [](const GetStoreStatus&) { return StoreStatus{}; },
  };
}
// clang-format on

struct account_fixture : test::actor_fixture {
  // Timers of requests hold their actors: these must be told to end.
  template <class Handle>
  void end(Handle& actor) {
    caf::anon_send_exit(actor, caf::exit_reason::kill);
    actor = nullptr;
    run();
  }
  ~account_fixture() {
    s->unanswered.clear();
    end(store);
  }

  std::shared_ptr<script> s = std::make_shared<script>();
  store_actor store = troupe::spawn(host, scripted, s);
};

struct keyring_fixture : account_fixture {
  keyring_fixture() {
    limits.cache_ms = 60'000;
    keyring_options options{store, limits, clock, fresh};
    options.tell_revoked = [this](const std::string& id) { told.push_back(id); };
    ring = troupe::spawn(host, keyring, std::move(options));
    v1::Principal principal;
    principal.set_id("k1");
    principal.set_name("ci");
    principal.add_scopes("openai");
    s->keys[good] = principal;
  }
  ~keyring_fixture() { end(ring); }

  ec use(const std::string& hash, const std::string& scope = "openai") {
    auto answer = ask<Principal>(ring, question(hash, scope));
    return answer ? ec::none : info(answer.error()).code;
  }

  static Authorize question(const std::string& hash, const std::string& scope = "openai") {
    v1::Authorize out;
    out.set_key_hash(hash);
    out.set_scope(scope);
    return out;
  }

  /// Another node says that it revoked a key; empty: that it may have revoked any.
  void hear(const std::string& id) {
    v1::KeyRevoked news;
    news.set_id(id);
    caf::anon_send(ring, KeyRevoked{std::move(news)});
    run();
  }

  config::keys_section limits;
  std::shared_ptr<freshness> fresh = std::make_shared<freshness>();
  std::vector<std::string> told; // to other nodes
  keyring_actor ring;
  std::string good = persistence::hash_api_key("good");
  std::string bad = persistence::hash_api_key("bad");
};

struct ledger_fixture : account_fixture {
  ~ledger_fixture() { end(book); }

  void start(bool with_journal = false) {
    limits.delay_ms = 20;
    intake = std::make_shared<usage_intake>(
        limits, with_journal ? std::make_shared<usage_journal>(dir.path()) : nullptr);
    counts = intake->counts();
    book = troupe::spawn(host, ledger, ledger_options{store, limits, intake});
    run();
  }
  /// Ends it without a flush, as kill -9 does.
  void stop() {
    end(book);
    intake.reset();
  }

  void record(int from, int count) {
    v1::RecordUsage command;
    for (int i = from; i < from + count; ++i)
      *command.add_records() = test::usage_record("r" + std::to_string(i), "p", 1);
    caf::anon_send(book, RecordUsage{std::move(command)});
    run();
  }

  test::temp_dir dir;
  config::ledger_section limits;
  std::shared_ptr<usage_intake> intake;
  std::shared_ptr<ledger_counts> counts;
  ledger_actor book;
};

} // namespace

TEST_CASE_FIXTURE(keyring_fixture, "a keyring asks the store once for a key it knows") {
  for (int i = 0; i < 5; ++i)
    CHECK(use(good) == ec::none);
  CHECK(use(good, "") == ec::none);
  CHECK(use(good, "admin") == ec::forbidden);
  CHECK(s->authorized == 1);
  advance(61s);
  CHECK(use(good) == ec::none);
  CHECK(s->authorized == 2);
}

TEST_CASE_FIXTURE(keyring_fixture, "a keyring remembers wrong keys for a short while") {
  for (int i = 0; i < 5; ++i)
    CHECK(use(bad) == ec::unauthenticated);
  CHECK(s->authorized == 1);
  s->keys[bad].set_id("k2"); // made on another node meanwhile
  advance(3s);
  CHECK(use(bad, "") == ec::none);
  CHECK(use("short") == ec::unauthenticated);
  CHECK(s->authorized == 2);
}

TEST_CASE_FIXTURE(keyring_fixture, "a store that is away is never a wrong key") {
  for (auto failing : {ec::store_unavailable, ec::internal, ec::deadline_exceeded}) {
    s->failing = failing;
    CHECK(use(good) == ec::store_unavailable);
    CHECK(use(bad) == ec::store_unavailable);
  }
  s->failing = ec::overloaded;
  CHECK(use(good) == ec::overloaded);
  s->failing = ec::none;
  CHECK(use(good) == ec::none);
  CHECK(use(bad) == ec::unauthenticated);
  s->failing = ec::store_unavailable;
  CHECK(use(good) == ec::none); // from memory
}

TEST_CASE_FIXTURE(keyring_fixture, "askers of one unknown key share one look-up") {
  s->silent = true;
  caf::scoped_actor self{*system};
  std::vector<std::string> scopes{"openai", "admin", ""};
  auto a = self->request(ring, caf::infinite, question(good, scopes[0]));
  auto b = self->request(ring, caf::infinite, question(good, scopes[1]));
  auto c = self->request(ring, caf::infinite, question(good, scopes[2]));
  run();
  CHECK(s->authorized == 1);
  CHECK(!self->has_next_message());
  advance(11s); // the store never answers
  for (auto* waiting : {&a, &b, &c}) {
    REQUIRE(self->has_next_message());
    waiting->receive([](const Principal&) { FAIL("who said so?"); },
                     [](const caf::error& e) { CHECK(info(e).code == ec::store_unavailable); });
  }
  s->silent = false;
  CHECK(use(good) == ec::none);
}

TEST_CASE_FIXTURE(keyring_fixture, "a key revoked here is refused at once") {
  CHECK(use(good) == ec::none);
  v1::RevokeApiKey revoke;
  revoke.set_id("k1");
  s->failing = ec::store_unavailable;
  CHECK(!ask<Done>(ring, RevokeApiKey{revoke}));
  CHECK(use(good) == ec::none);
  s->failing = ec::none;
  CHECK(ask<Done>(ring, RevokeApiKey{revoke}));
  CHECK(use(good) == ec::unauthenticated);
  CHECK(ask<ApiKeyPage>(ring, ListApiKeys{}));
}

TEST_CASE_FIXTURE(keyring_fixture,
                  "a key revoked here is told to others, once it is in the store") {
  v1::RevokeApiKey revoke;
  revoke.set_id("k1");
  s->failing = ec::store_unavailable;
  CHECK(!ask<Done>(ring, RevokeApiKey{revoke}));
  CHECK(told.empty());
  s->failing = ec::none;
  CHECK(ask<Done>(ring, RevokeApiKey{revoke}));
  CHECK(told == std::vector<std::string>{"k1"});
}

TEST_CASE_FIXTURE(keyring_fixture, "a key revoked on another node is refused once that is told") {
  CHECK(use(good) == ec::none);
  auto kept = fresh->stamp();
  s->keys.clear();
  CHECK(use(good) == ec::none); // from memory
  hear("k2");
  CHECK(use(good) == ec::none);
  kept = fresh->stamp();
  hear("k1");
  CHECK(!fresh->holds(kept)); // nor does what others kept of it
  CHECK(use(good) == ec::unauthenticated);
  CHECK(told.empty()); // it is that node's to tell
}

TEST_CASE_FIXTURE(keyring_fixture, "after a link came up nothing remembered holds, nor what was on "
                                   "its way") {
  CHECK(use(good) == ec::none);
  s->keys.clear();
  hear("");
  CHECK(use(good) == ec::unauthenticated);
  advance(3s);
  s->silent = true;
  caf::scoped_actor self{*system};
  auto asked = self->request(ring, caf::infinite, question(good));
  run();
  hear("");
  s->late.set_id("k1"); // as the store had it when it was asked
  s->late.add_scopes("openai");
  s->silent = false;
  CHECK(ask<ApiKeyPage>(store, ListApiKeys{}));
  asked.receive([](const Principal&) {}, [](const caf::error& e) { FAIL(describe(e)); });
  CHECK(use(good) == ec::unauthenticated);
}

TEST_CASE_FIXTURE(ledger_fixture, "a ledger writes what came within its delay as one group") {
  start();
  record(0, 3);
  record(3, 2);
  CHECK(s->groups.empty());
  advance(20ms);
  REQUIRE(s->groups.size() == 1);
  CHECK(s->groups[0].size() == 5);
  CHECK(counts->taken == 5);
  CHECK(counts->written == 5);
  CHECK(counts->buffered == 0);
}

TEST_CASE_FIXTURE(ledger_fixture, "a full group does not wait, and a large one is cut") {
  limits.batch_max = 10;
  start();
  record(0, 25);
  CHECK(s->groups.size() >= 2);
  advance(20ms);
  CHECK(s->ledger.size() == 25);
  for (const auto& group : s->groups)
    CHECK(group.size() <= 10);
}

TEST_CASE_FIXTURE(ledger_fixture, "a flush answers once everything before it is durable") {
  start();
  record(0, 2);
  v1::RecordUsage more;
  *more.add_records() = test::usage_record("r9", "p", 1);
  CHECK(ask<Done>(book, RecordUsage{more}, true));
  CHECK(s->ledger.size() == 3);
  CHECK(ask<Done>(book, RecordUsage{}, true)); // nothing waits
  s->failing = ec::store_unavailable;
  record(10, 1);
  caf::scoped_actor self{*system};
  auto waits = self->request(book, caf::infinite, RecordUsage{}, true);
  run();
  CHECK(!self->has_next_message());
  s->failing = ec::none;
  advance(1s);
  REQUIRE(self->has_next_message());
  waits.receive([](const Done&) {}, [](const caf::error& e) { FAIL(describe(e)); });
  CHECK(s->ledger.size() == 4);
}

TEST_CASE_FIXTURE(ledger_fixture, "a ledger holds records while the store is away, the oldest") {
  limits.buffer_max = 5;
  start(true);
  s->failing = ec::store_unavailable;
  record(0, 3);
  advance(100ms);
  record(3, 4);
  CHECK(counts->dropped == 2);
  CHECK(counts->buffered == 5);
  CHECK(counts->retries > 0);
  CHECK(counts->journal_bytes > 0);
  s->failing = ec::none;
  advance(1s);   // those that were on their way,
  advance(20ms); // then those that were gathered meanwhile
  CHECK(s->ledger == std::set<std::string>{"r0", "r1", "r2", "r3", "r4"});
  CHECK(counts->written == 5);
  CHECK(counts->buffered == 0);
  CHECK(counts->journal_bytes == 0);
  record(20, 1);
  advance(20ms);
  CHECK(s->ledger.contains("r20"));
}

TEST_CASE_FIXTURE(ledger_fixture, "what a killed ledger had taken is written by the next one") {
  start(true);
  record(0, 2);
  advance(20ms);
  s->failing = ec::store_unavailable;
  record(2, 2);
  advance(20ms); // on their way
  record(4, 2);  // gathering
  stop();
  s->failing = ec::none;
  start(true);
  CHECK(counts->taken == 4);
  advance(20ms);
  CHECK(s->ledger.size() == 6);
  stop();
  start(true);
  CHECK(counts->taken == 0); // nothing left to do
}

TEST_CASE_FIXTURE(ledger_fixture, "one bad record does not hold up the others") {
  start(true);
  v1::RecordUsage command;
  command.add_records();
  *command.add_records() = test::usage_record(std::string(300, 'x'), "p", 1);
  *command.add_records() = test::usage_record("good", "p", 1);
  command.mutable_records(2)->set_model(std::string(100'000, 'm'));
  caf::anon_send(book, RecordUsage{std::move(command)});
  run();
  advance(20ms);
  CHECK(s->ledger == std::set<std::string>{"good"});
  CHECK(counts->refused == 2);
}
