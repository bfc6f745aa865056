// Conversations, the outbox, API keys and the ledger on a real database.
#include "messages/id.hpp"
#include "persistence/api_key.hpp"
#include "persistence/commands.hpp"
#include "tests/support/backends.hpp"
#include "tests/support/turns.hpp"

#include <doctest/doctest.h>

#include <set>

using namespace troupe;
using namespace troupe::persistence;
using test::finish_turn;
using test::new_turn;
using test::on_each_backend;
using test::outbox_row;
using test::test_database;
using test::usage_record;

namespace {

constexpr std::int64_t start_us = 1'700'000'000'000'000;
constexpr command_env now{start_us};

template <class Function>
ec code_of(Function&& function) {
  try {
    function();
  } catch (const failure& error) {
    CHECK(std::string{error.what()}.size() > 10);
    return error.code;
  }
  return ec::none;
}

v1::Conversation make(database& db, const std::string& owner, const std::string& title,
                      std::int64_t at_us = start_us) {
  v1::CreateConversation command;
  command.mutable_context()->set_principal_id(owner);
  command.mutable_conversation()->set_title(title);
  return create_conversation(db, command, {at_us});
}

v1::GetConversation get(const std::string& id, const std::string& principal) {
  v1::GetConversation out;
  out.set_conversation_id(id);
  out.mutable_context()->set_principal_id(principal);
  return out;
}

v1::AcceptTurn with_outbox(database& db, int pieces) {
  auto turn = new_turn("c1", "x");
  accept_turn(db, turn, now);
  auto end = finish_turn(turn, "y");
  for (int i = 0; i < pieces; ++i)
    *end.add_outbox() = outbox_row(turn.turn().id(), "piece " + std::to_string(i), i);
  advance_turn(db, end, now);
  return turn;
}

v1::ClaimOutbox claim(int limit, std::int64_t now_us) {
  v1::ClaimOutbox out;
  out.set_channel("onebot");
  out.set_account("bot");
  out.set_limit(limit);
  out.set_now_us(now_us);
  out.set_claim_until_us(now_us + 60'000'000);
  return out;
}

} // namespace

TEST_CASE("a conversation is made, read, changed and erased by its owner only") {
  on_each_backend([](test_database& t) {
    auto& db = t.db();
    auto made = make(db, "alice", "Plans");
    CHECK(is_id(made.id()));
    CHECK(made.owner_id() == "alice");
    CHECK(get_conversation(db, get(made.id(), "alice"), now).title() == "Plans");
    CHECK(get_conversation(db, get(made.id(), ""), now).title() == "Plans");
    CHECK(code_of([&] { get_conversation(db, get(made.id(), "bob"), now); }) == ec::not_found);
    auto admin = get(made.id(), "root");
    admin.mutable_context()->set_admin(true);
    CHECK(get_conversation(db, admin, now).title() == "Plans");
    v1::UpdateConversation change;
    change.set_conversation_id(made.id());
    change.set_system_prompt("Be brief.");
    change.set_model("gpt-4o");
    auto changed = update_conversation(db, change, {start_us + 5});
    CHECK(changed.title() == "Plans");
    CHECK(changed.updated_us() == start_us + 5);
    CHECK(get_conversation(db, get(made.id(), ""), now).SerializeAsString()
          == changed.SerializeAsString());
    change.mutable_context()->set_principal_id("bob");
    CHECK(code_of([&] { update_conversation(db, change, now); }) == ec::not_found);
    v1::DeleteConversation erase;
    erase.set_conversation_id(made.id());
    erase.mutable_context()->set_principal_id("bob");
    CHECK(code_of([&] { delete_conversation(db, erase, now); }) == ec::not_found);
    erase.mutable_context()->set_principal_id("alice");
    delete_conversation(db, erase, now);
    CHECK(code_of([&] { delete_conversation(db, erase, now); }) == ec::not_found);
  });
}

TEST_CASE("conversations that make no sense are refused") {
  on_each_backend([](test_database& t) {
    auto refused = [&](auto change) {
      v1::CreateConversation command;
      command.mutable_conversation()->set_id("c1");
      change(*command.mutable_conversation());
      return code_of([&] { create_conversation(t.db(), command, now); });
    };
    CHECK(refused([](auto& c) { c.set_id("with space"); }) == ec::invalid_argument);
    CHECK(refused([](auto& c) { c.set_title(std::string(2'000, 'x')); }) == ec::invalid_argument);
    CHECK(refused([](auto& c) { c.set_session_key(std::string(256, 'x')); })
          == ec::invalid_argument);
    CHECK(refused([](auto& c) { c.set_system_prompt(std::string(2'000'000, 'x')); })
          == ec::invalid_argument);
    CHECK(refused([](auto& c) { c.set_session_key("onebot:1"); }) == ec::none);
    CHECK(refused([](auto&) {}) == ec::conflict);
    CHECK(refused([](auto& c) {
            c.set_id("c2");
            c.set_session_key("onebot:1");
          })
          == ec::conflict);
    CHECK(t.db().conversations().find_by_session_key("onebot:1")->id() == "c1");
    CHECK(!t.db().conversations().find_by_session_key(""));
  });
}

TEST_CASE("deleting a conversation leaves nothing but its ledger lines") {
  on_each_backend([](test_database& t) {
    auto& db = t.db();
    auto turn = new_turn("c1", "x", "k");
    accept_turn(db, turn, now);
    auto end = finish_turn(turn, "y");
    *end.add_outbox() = outbox_row(turn.turn().id(), "y");
    *end.mutable_usage() = usage_record("r1", "p", start_us);
    advance_turn(db, end, now);
    v1::DeleteConversation erase;
    erase.set_conversation_id("c1");
    delete_conversation(db, erase, now);
    CHECK(!db.messages().find(turn.messages(0).id()));
    CHECK(!db.turns().find(turn.turn().id()));
    CHECK(!db.outbox().find(end.outbox(0).id()));
    CHECK(db.ledger().sum({}).count == 1);
    // The platform sends the message once more: it is not answered again.
    CHECK(accept_turn(db, new_turn("c1", "x", "k"), now).duplicate());
    CHECK(db.verify().empty());
  });
}

TEST_CASE("conversations are listed last changed first, a page at a time") {
  on_each_backend([](test_database& t) {
    auto& db = t.db();
    std::vector<std::string> expected;
    for (int i = 0; i < 25; ++i) // several of one time
      expected.insert(expected.begin(), make(db, "alice", "c", start_us + i / 4).id());
    make(db, "bob", "his");
    v1::ListConversations query;
    query.mutable_context()->set_principal_id("alice");
    query.set_limit(7);
    std::vector<std::string> seen;
    std::vector<std::int64_t> times;
    do {
      auto page = list_conversations(db, query, now);
      for (const auto& c : page.conversations()) {
        seen.push_back(c.id());
        times.push_back(c.updated_us());
      }
      query.set_cursor(page.next_cursor());
    } while (!query.cursor().empty());
    CHECK(std::is_sorted(times.rbegin(), times.rend()));
    CHECK(std::set<std::string>(seen.begin(), seen.end()).size() == 25);
    CHECK(std::set<std::string>(seen.begin(), seen.end())
          == std::set<std::string>(expected.begin(), expected.end()));
    for (const char* bad : {"x", "1.", "1.zz.id", "2.ff.id", "1.ffffffffffffffffffff.id"}) {
      query.set_cursor(bad);
      CHECK(code_of([&] { list_conversations(db, query, now); }) == ec::invalid_argument);
    }
    query.clear_cursor();
    query.set_limit(201);
    CHECK(code_of([&] { list_conversations(db, query, now); }) == ec::invalid_argument);
  });
}

TEST_CASE("conversations are found by a part of their title") {
  on_each_backend([](test_database& t) {
    auto& db = t.db();
    for (const char* title : {"Holiday PLANS", "100% sure", "snake_case", "旅行计划", "wow!"})
      make(db, "alice", title);
    auto count = [&](const std::string& part) {
      v1::ListConversations query;
      query.set_owner_id("alice");
      query.set_query(part);
      return list_conversations(db, query, now).conversations_size();
    };
    CHECK(count("plans") == 1);
    CHECK(count("Day pl") == 1);
    CHECK(count("%") == 1);
    CHECK(count("_") == 1);
    CHECK(count("!") == 1);
    CHECK(count("旅行") == 1);
    CHECK(count("' OR 1=1 --") == 0);
    CHECK(count("") == 5);
  });
}

TEST_CASE("outbox rows are claimed in order, by one at a time, and settled once") {
  on_each_backend([](test_database& t) {
    auto& db = t.db();
    with_outbox(db, 3);
    auto rows = claim_outbox(db, claim(10, start_us), now);
    REQUIRE(rows.rows_size() == 3);
    for (int i = 0; i < 3; ++i) {
      CHECK(rows.rows(i).part_index() == i);
      CHECK(rows.rows(i).attempts() == 1);
      CHECK(rows.rows(i).to().chat_id() == "42");
      CHECK(rows.rows(i).parts(0).text().text() == "piece " + std::to_string(i));
    }
    CHECK(claim_outbox(db, claim(10, start_us + 1), now).rows_size() == 0);
    v1::SettleOutbox settle;
    settle.set_id(rows.rows(0).id());
    settle.set_status(v1::OUTBOX_STATUS_SENT);
    settle.set_platform_message_id("m7");
    settle_outbox(db, settle, now);
    // The second is tried again later: the third waits for it, whatever its own time.
    settle.set_id(rows.rows(1).id());
    settle.set_status(v1::OUTBOX_STATUS_PENDING);
    settle.set_next_attempt_us(start_us + 100'000'000);
    settle.set_error("busy");
    settle_outbox(db, settle, now);
    CHECK(claim_outbox(db, claim(10, start_us + 61'000'000), now).rows_size() == 0);
    auto later = claim_outbox(db, claim(10, start_us + 100'000'000), now);
    REQUIRE(later.rows_size() == 2);
    CHECK(later.rows(0).attempts() == 2);
    CHECK(later.rows(0).error() == "busy");
    // One that was sent stays so.
    settle.set_id(rows.rows(0).id());
    settle_outbox(db, settle, now);
    CHECK(db.outbox().find(rows.rows(0).id())->status() == v1::OUTBOX_STATUS_SENT);
    settle.set_id("nowhere");
    CHECK(code_of([&] { settle_outbox(db, settle, now); }) == ec::not_found);
    settle.set_status(v1::OUTBOX_STATUS_UNSPECIFIED);
    CHECK(code_of([&] { settle_outbox(db, settle, now); }) == ec::invalid_argument);
    auto backwards = claim(10, start_us);
    backwards.set_claim_until_us(start_us);
    CHECK(code_of([&] { claim_outbox(db, backwards, now); }) == ec::invalid_argument);
    // Old ones go.
    CHECK(purge_expired(db, {start_us + outbox_kept_us}) == 0);
    CHECK(purge_expired(db, {start_us + outbox_kept_us + 1}) == 1);
  });
}

TEST_CASE("an API key opens what its scopes say, until it expires or is revoked") {
  on_each_backend([](test_database& t) {
    auto& db = t.db();
    v1::CreateApiKey create;
    create.set_name("ci");
    create.set_expires_us(start_us + 1'000);
    auto created = create_api_key(db, create, now);
    CHECK(created.secret().starts_with(created.key().prefix()));
    CHECK(created.secret().size() == 74);
    auto ask = [&](const std::string& secret, const std::string& scope, std::int64_t at_us) {
      v1::Authorize query;
      query.set_key_hash(hash_api_key(secret));
      query.set_scope(scope);
      return code_of([&] {
        auto principal = authorize(db, query, {at_us});
        CHECK(principal.id() == created.key().id());
        CHECK(principal.scopes_size() == 2);
      });
    };
    CHECK(ask(created.secret(), "openai", start_us) == ec::none);
    CHECK(ask(created.secret(), "api", start_us) == ec::none);
    CHECK(ask(created.secret(), "", start_us) == ec::none);
    CHECK(ask(created.secret(), "admin", start_us) == ec::forbidden);
    CHECK(ask(created.secret() + "x", "openai", start_us) == ec::unauthenticated);
    CHECK(ask(created.secret(), "openai", start_us + 1'000) == ec::unauthenticated);
    v1::Authorize odd;
    odd.set_key_hash("short");
    CHECK(code_of([&] { authorize(db, odd, now); }) == ec::unauthenticated);
    v1::RevokeApiKey revoke;
    revoke.set_id(created.key().id());
    revoke_api_key(db, revoke, now);
    revoke_api_key(db, revoke, now); // once more changes nothing
    CHECK(ask(created.secret(), "openai", start_us) == ec::unauthenticated);
    revoke.set_id("nowhere");
    CHECK(code_of([&] { revoke_api_key(db, revoke, now); }) == ec::not_found);
    create.set_expires_us(0);
    create.add_scopes("everything");
    CHECK(code_of([&] { create_api_key(db, create, now); }) == ec::invalid_argument);
    create.clear_scopes();
    create.clear_name();
    CHECK(code_of([&] { create_api_key(db, create, now); }) == ec::invalid_argument);
    create.set_name("x");
    create.set_expires_us(start_us);
    CHECK(code_of([&] { create_api_key(db, create, now); }) == ec::invalid_argument);
    auto page = list_api_keys(db, {}, now);
    REQUIRE(page.keys_size() == 1);
    CHECK(page.keys(0).hash().empty());
    CHECK(page.keys(0).revoked_us() == start_us);
  });
}

TEST_CASE("a request is in the ledger once, and sums are of the whole range") {
  on_each_backend([](test_database& t) {
    auto& db = t.db();
    v1::RecordUsage record;
    for (int i = 0; i < 30; ++i)
      *record.add_records() =
          usage_record("r" + std::to_string(i), i % 2 ? "alice" : "bob", start_us + i / 3, 10);
    record_usage(db, record, now);
    record_usage(db, record, now);
    auto changed = usage_record("r0", "mallory", start_us, 999);
    CHECK(!db.ledger().insert(changed));
    v1::ListUsage query;
    query.set_principal_id("alice");
    query.set_limit(4);
    std::set<std::string> seen;
    auto page = list_usage(db, query, now);
    CHECK(page.count() == 15);
    CHECK(page.sum().total_tokens() == 15 * 30);
    for (;;) {
      for (const auto& r : page.records()) {
        CHECK(r.principal_id() == "alice");
        CHECK(seen.insert(r.request_id()).second);
      }
      if (page.next_cursor().empty())
        break;
      query.set_cursor(page.next_cursor());
      page = list_usage(db, query, now);
    }
    CHECK(seen.size() == 15);
    v1::ListUsage range;
    range.set_from_us(start_us + 1);
    range.set_to_us(start_us + 3);
    CHECK(list_usage(db, range, now).count() == 6);
    CHECK(list_usage(db, range, now).records_size() == 6);
    range.set_to_us(start_us);
    CHECK(code_of([&] { list_usage(db, range, now); }) == ec::invalid_argument);
    record.Clear();
    record.add_records();
    CHECK(code_of([&] { record_usage(db, record, now); }) == ec::invalid_argument);
    auto full = usage_record("full", "p", start_us);
    full.set_streamed(true);
    full.set_first_byte_us(5);
    full.set_conversation_id("c");
    full.set_turn_id("t");
    full.mutable_usage()->set_cached_tokens(1);
    full.mutable_usage()->set_reasoning_tokens(2);
    full.mutable_usage()->set_estimated(true);
    db.ledger().insert(full);
    query.Clear();
    query.set_principal_id("p");
    CHECK(list_usage(db, query, now).records(0).SerializeAsString() == full.SerializeAsString());
    record.Clear();
    for (int i = 0; i < 50; ++i) { // in groups and alone
      full.set_request_id("many" + std::to_string(i));
      full.set_principal_id("q");
      full.mutable_usage()->set_prompt_tokens(i);
      *record.add_records() = full;
    }
    record_usage(db, record, now);
    query.set_principal_id("q");
    auto many = list_usage(db, query, now);
    REQUIRE(many.records_size() == 50);
    for (const auto& r : many.records()) {
      full.set_request_id("many" + std::to_string(r.usage().prompt_tokens()));
      full.mutable_usage()->set_prompt_tokens(r.usage().prompt_tokens());
      CHECK(r.SerializeAsString() == full.SerializeAsString());
    }
  });
}
